import type { SessionRecord } from '@sessionkit/session-core';

/** Heap of a record with its entry and its places in the indexes, without the texts of changing length; measured on Node 20. */
const RECORD_BYTES = 1_000;
const TEXT_BYTES = 24;

/** Heap bytes of a text: V8 takes one byte a character, or two as soon as one of them is not Latin-1; judged from above. */
export function textBytes(text: string): number {
  const ascii = Buffer.byteLength(text) === text.length;
  return TEXT_BYTES + (ascii ? text.length : 2 * text.length);
}

/** About the heap bytes that keeping `record` takes. */
export function recordBytes(record: SessionRecord): number {
  const { client, writes, filters, extra } = record;
  let bytes = RECORD_BYTES + textBytes(record.data) + textBytes(client.userAgent);
  if (record.user !== undefined) bytes += textBytes(record.user);
  for (const id of writes) bytes += TEXT_BYTES + id.length;
  for (const name in client.attributes) bytes += textBytes(name) + textBytes(client.attributes[name] ?? '');
  for (const name of filters ?? []) bytes += textBytes(name);
  if (extra !== undefined) bytes += 2 * textBytes(JSON.stringify(extra));
  return bytes;
}
