import { parseToken, TOKEN_LENGTH } from '@sessionkit/session-core';

/** What operators see of the query of a request. */
export interface ShownParameters {
  /** Names of all parameters. */
  readonly names: boolean;
  /** Parameters that are shown with their values. */
  readonly values: readonly string[];
}

/**
 * A request as operators see it: method and path, and of the query what is to be shown, as it was sent. Never a parameter that carries tokens, nor what looks like one.
 *
 * @param url target of the request, which holds the query
 * @param hidden names of parameters that carry tokens, of all services
 */
export function statementOf(
  { method, path }: { readonly method: string; readonly path: string },
  url: string,
  shown: ShownParameters,
  hidden: readonly string[],
): string {
  const whole = `${method} ${path}`;
  const mark = url.indexOf('?');
  if (mark < 0 || (!shown.names && shown.values.length === 0)) return whole;
  const parts = url
    .slice(mark + 1)
    .split('#', 1)
    .join()
    .split('&')
    .flatMap((part) => {
      // By the parser that transports read their parameters by, so that both understand the same names.
      const [[name, value] = []] = new URLSearchParams(`&${part}`);
      if (name === undefined || value === undefined || hidden.includes(name) || hasToken(name)) return [];
      if (shown.values.includes(name) && !hasToken(value)) return [part];
      return shown.names ? [part.split('=', 1).join()] : [];
    });
  return parts.length === 0 ? whole : `${whole}?${parts.join('&')}`;
}

function hasToken(text: string): boolean {
  for (const { index } of text.matchAll(/s[0-7](?=[^.]{25}\.)/g))
    if (parseToken(text.slice(index, index + TOKEN_LENGTH)) !== undefined) return true;
  return false;
}
