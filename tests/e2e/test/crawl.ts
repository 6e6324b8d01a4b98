import { send } from './client.js';

export interface Crawled {
  /** Every link that was followed. */
  readonly links: readonly string[];
  /** Those that lead nowhere, each with where it stands and what came. */
  readonly dead: readonly string[];
}

/** Members of documents that hold links, or paths of the draft form. */
const LINK_MEMBERS = new Set(['links', 'service', 'server']);

/**
 * Reads `starts` and everything that their documents lead to: all links, and all resources that are named by type and id.
 * A link is good when it answers 200 with JSON, and, where that is a document with links, with itself as `self`.
 */
export async function crawl(
  starts: readonly string[],
  headers: Readonly<Record<string, string>>,
): Promise<Crawled> {
  const found = new Map<string, string>(starts.map((start) => [start, 'the start']));
  const dead: string[] = [];
  // A map that grows is iterated to its new end.
  for (const [url, from] of found) {
    const problem = await follow(url);
    if (problem !== undefined) dead.push(`${url} (in ${from}): ${problem}`);
  }
  return { links: [...found.keys()], dead };

  async function follow(url: string): Promise<string | undefined> {
    const { status, body } = await send(url, { headers });
    if (status !== 200) return `status ${status}`;
    const document: unknown = JSON.parse(body);
    for (const link of linksOf(document, url)) if (!found.has(link)) found.set(link, url);
    const self = selfOf(document);
    return self === undefined || sameResource(self, url) ? undefined : `it calls itself ${self}`;
  }
}

function* linksOf(value: unknown, base: string): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  if (isIdentifier(value)) yield resourceUrl(value, base);
  for (const [name, member] of Object.entries(value)) {
    if (!LINK_MEMBERS.has(name)) yield* linksOf(member, base);
    else if (typeof member !== 'string') for (const link of Object.values(member ?? {})) yield String(link);
    else if (member.startsWith('/')) yield new URL(member, base).href;
  }
}

/** A resource named by type and id alone, as relationships do it. */
function isIdentifier(value: object): value is { readonly id: string; readonly type: string } {
  return Object.keys(value).sort().join() === 'id,type';
}

function resourceUrl({ id, type }: { readonly id: string; readonly type: string }, base: string): string {
  const version = new URL(base).pathname.startsWith('/v1/') ? '/v1' : '';
  return new URL(`${version}/${type}/${encodeURIComponent(id)}/`, base).href;
}

function selfOf(document: unknown): string | undefined {
  const { links } = document as { readonly links?: { readonly self?: string } };
  return links?.self;
}

/** The same path, with a slash at its end or without; a page may name itself by more parameters. All users call themselves by their collection. */
function sameResource(a: string, b: string): boolean {
  const [own = '', asked = ''] = [a, b].map((text) => new URL(text).pathname.replace(/\/$/, ''));
  return own === asked || (own.endsWith('/users/inet') && asked.includes('/users'));
}
