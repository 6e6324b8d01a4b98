import type { ServerResponse } from 'node:http';
import type { HeaderField } from '@sessionkit/session-core';
import vary from 'vary';

/** Fields of an answer that stay when another one takes its place: they speak of the connection, or of every answer of the application. */
const LASTING = /^(access-control-.*|connection|date|strict-transport-security|vary)$/;

/** As much of an answer as is needed to set fields on it. */
export interface FieldHolder {
  getHeader(name: string): number | string | readonly string[] | undefined;
  setHeader(name: string, value: string | readonly string[]): unknown;
}

/**
 * Sets fields on an answer beside what the application set: a cookie and a challenge are added, `Vary` and `Access-Control-Expose-Headers`
 * extended, others replaced. Setting the same ones again changes nothing.
 */
export function setFields(response: FieldHolder, fields: readonly HeaderField[]): void {
  for (const [name, value] of fields) {
    switch (name.toLowerCase()) {
      case 'set-cookie':
      case 'www-authenticate':
        addValue(response, name, value);
        break;
      case 'vary':
      case 'access-control-expose-headers':
        response.setHeader(name, vary.append(fieldValue(response, name) ?? '', value));
        break;
      default:
        response.setHeader(name, value);
    }
  }
}

/** The value of a field as it would be sent, lists joined. */
export function fieldValue(response: FieldHolder, name: string): string | undefined {
  const value = response.getHeader(name);
  if (value === undefined) return undefined;
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** Takes away what describes an answer that will not be sent. */
export function clearFields(response: ServerResponse): void {
  for (const name of response.getHeaderNames()) {
    if (!LASTING.test(name)) response.removeHeader(name);
  }
}

function addValue(response: FieldHolder, name: string, value: string): void {
  const present = response.getHeader(name);
  if (present === undefined) {
    response.setHeader(name, value);
    return;
  }
  const values = Array.isArray(present) ? present : [String(present)];
  if (!values.includes(value)) response.setHeader(name, [...values, value]);
}
