// After the run: every secret that any process issued is looked for in every byte that any process let out.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { finder } from './needles.mjs';
import { isAllowed } from './places.mjs';
import { captureFolder } from './sink.mjs';

const AT_LEAST = 500;
const MOST_SHOWN = 20;
/** Of these something must have been seen in a whole run, or the watch is blind where it matters. */
const KINDS = ['request', 'response', 'upstream', 'output', 'log', 'store'];

function* frames(file) {
  const bytes = readFileSync(file);
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(10, at);
    // A process that was killed may leave half a frame.
    if (end < 0) return;
    const head = JSON.parse(bytes.toString('utf8', at, end));
    at = end + 1;
    if (head.n === undefined) {
      yield { head };
      continue;
    }
    yield { head, bytes: bytes.subarray(at, at + head.n) };
    at += head.n + 1;
  }
}

/** The streams of one process, each with its parts joined and the tests during which they came. */
function streamsOf(file) {
  const streams = new Map();
  let label = '';
  for (const { head, bytes } of frames(file)) {
    if (head.label !== undefined) label = head.label;
    else if (head.open !== undefined)
      streams.set(head.open, { kind: head.kind, who: head.who, parts: [], labels: [], size: 0 });
    else if (bytes !== undefined) {
      const stream = streams.get(head.stream);
      stream.parts.push(bytes);
      // A long connection has a hundred thousand parts, and a few tests.
      if (stream.labels.at(-1)?.label !== label) stream.labels.push({ from: stream.size, label });
      stream.size += bytes.length;
    }
  }
  return streams.values();
}

/** What was captured below the folder of the reports, searched on every core. */
export async function search(reports) {
  const folder = captureFolder(reports);
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const secrets = new Map();
  for (const file of files)
    for (const { head } of frames(file)) if (head.secret !== undefined) secrets.set(head.secret, head.what);

  const parts = await Promise.all(shares(files).map((share) => inThread({ secrets, files: share })));
  const bytesOf = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
  for (const part of parts)
    for (const [kind, size] of Object.entries(part.bytesOf)) bytesOf[kind] = (bytesOf[kind] ?? 0) + size;
  return {
    watched: secrets.size,
    bytes: Object.values(bytesOf).reduce((sum, each) => sum + each, 0),
    bytesOf,
    allowed: parts.reduce((sum, part) => sum + part.allowed, 0),
    found: parts.flatMap((part) => part.found),
  };
}

/** The files dealt out to as many threads as there are cores, each time to the one with the least to read. */
function shares(files) {
  const dealt = Array.from({ length: availableParallelism() }, () => ({ size: 0, files: [] }));
  const bySize = files.map((file) => ({ file, size: statSync(file).size })).sort((a, b) => b.size - a.size);
  for (const { file, size } of bySize) {
    const least = dealt.reduce((best, each) => (each.size < best.size ? each : best));
    least.files.push(file);
    least.size += size;
  }
  return dealt.filter((share) => share.files.length > 0).map((share) => share.files);
}

function inThread(workerData) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('search-thread.mjs', import.meta.url), { workerData });
    worker.once('message', resolve).once('error', reject);
    worker.once('exit', (code) =>
      reject(new Error(`a thread of the search ended with ${code}, without an answer`)),
    );
  });
}

/** What one thread does: the streams of some of the files. */
export function searchFiles(files, secrets) {
  const find = finder(secrets);
  const bytesOf = {};
  const found = [];
  let allowed = 0;
  for (const file of files) {
    for (const { kind, who, parts, labels, size } of streamsOf(file)) {
      const bytes = Buffer.concat(parts, size);
      bytesOf[kind] = (bytesOf[kind] ?? 0) + size;
      for (const hit of find(bytes)) {
        const label = labels.findLast(({ from }) => from <= hit.at)?.label ?? '';
        if (isAllowed(kind, who, bytes, hit, label)) {
          allowed++;
          continue;
        }
        found.push({ kind, who, label, what: hit.what, form: hit.form, around: around(bytes, hit) });
      }
    }
  }
  return { bytesOf, found, allowed };
}

/** What stands around a hit, without it. */
function around(bytes, { at, length, secret }) {
  const before = bytes.toString('latin1', Math.max(0, at - 120), at);
  const after = bytes.toString('latin1', at + length, at + length + 20);
  return JSON.stringify(`${before}${secret.slice(0, 4)}…(${length})${after}`);
}

/** The lines to print: what was found, then the one that sums up. `whole`: every test was run, so that there is a least to see. */
export function verdict({ watched, bytes, bytesOf, found }, whole) {
  const lines = found
    .slice(0, MOST_SHOWN)
    .map(
      ({ kind, who, label, what, form, around }) =>
        `secret leaked: a ${what} secret, ${form}, in ${kind} (${who})${label && `, test: ${label}`}\n    ${around}`,
    );
  if (found.length > MOST_SHOWN) lines.push(`secret leaked: ${found.length - MOST_SHOWN} times more`);
  const blind = whole ? KINDS.filter((kind) => bytesOf[kind] === 0) : [];
  if (blind.length > 0) lines.push(`secrets: nothing was captured of: ${blind.join(', ')}`);
  const least = whole ? ` (at least ${AT_LEAST})` : '';
  lines.push(`secrets: ${watched} watched${least}, ${bytes} bytes searched, ${found.length} found`);
  return { lines, ok: found.length === 0 && blind.length === 0 && (!whole || watched >= AT_LEAST) };
}
