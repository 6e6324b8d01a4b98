// Where a watched process puts what it noticed: one file of frames, each a line of JSON, then `n` bytes and a line end.
//   {"open":1,"kind":"response","who":"…"}  a stream begins      {"label":"…"}  the test that runs from here on
//   {"stream":1,"n":17}                     its next bytes       {"secret":"…","what":"session"}  a secret was issued
import { mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';

// Kept before anybody replaces them: tests turn clocks by hand, and this folder watches writeSync.
const write = writeSync;
const later = setTimeout;

const FLUSH_BYTES = 64 * 1024;
const FLUSH_MS = 25;

/** Folder of the captures below the folder of the reports; undefined where nothing is watched. */
export const captureFolder = (reports = process.env.SESSIONKIT_REPORT_DIR) =>
  reports === undefined || reports === '' ? undefined : join(reports, 'captured');

let file;
let waiting = [];
let size = 0;
let scheduled = false;
let streams = 0;
let label = '';

export function flush() {
  scheduled = false;
  if (size === 0) return;
  if (file === undefined) {
    const folder = captureFolder();
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    file = openSync(join(folder, `${process.pid}-${threadId}-${Date.now()}.capture`), 'ax', 0o600);
  }
  const bytes = Buffer.concat(waiting, size);
  waiting = [];
  size = 0;
  for (let at = 0; at < bytes.length; ) at += write(file, bytes, at);
}

process.on('exit', flush);

function frame(head, bytes) {
  const line = Buffer.from(`${JSON.stringify(head)}\n`);
  const parts = bytes === undefined ? [line] : [line, bytes, Buffer.from('\n')];
  for (const part of parts) {
    waiting.push(part);
    size += part.length;
  }
  if (size >= FLUSH_BYTES) flush();
  else if (!scheduled) {
    scheduled = true;
    later(flush, FLUSH_MS).unref();
  }
}

/** Says which test runs, for the report on a leak. */
export function setLabel(text) {
  if (text === label) return;
  label = text;
  frame({ label });
}

/** A secret that was issued; `what` is `session` or `password`. */
export const noteSecret = (secret, what) => frame({ secret, what });

/**
 * A new stream of bytes that will be searched as one. Kinds: `request` (by a client), `upstream` (by the gateway), `response`,
 * `output` (stdout and stderr), `file`, `log` (entries), `store` (what a backend is given).
 * Answers the function that takes its bytes, which are copied.
 */
export function openStream(kind, who) {
  const stream = ++streams;
  frame({ open: stream, kind, who });
  return (chunk) => {
    const bytes = Buffer.from(chunk);
    if (bytes.length > 0) frame({ stream, n: bytes.length }, bytes);
  };
}
