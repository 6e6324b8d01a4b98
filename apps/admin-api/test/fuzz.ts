import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { AccessEntry } from '../src/index.js';
import { Conformance, type Document } from './conform.js';
import { type FuzzRequest, fuzzRequest, type Material } from './fuzz-requests.js';

/** What is fuzzed. */
export interface Target {
  readonly port: number;
  readonly document: Document;
  readonly material: Omit<Material, 'document'>;
  /** Nothing that an operator reads may contain any of these. */
  readonly markers: readonly string[];
  /** Handed every entry of the access log and of the process log since it was last called. */
  logs(): { readonly access: readonly AccessEntry[]; readonly process: readonly unknown[] };
  /** Sessions end, users come and go: called now and then, so that there is something to find. */
  refill(): Promise<void>;
}

export interface FuzzReport {
  readonly requests: number;
  /** Those whose input was let through to a handler. */
  readonly reached: number;
  /** `action status` -> how many. */
  readonly table: ReadonlyMap<string, number>;
  readonly validated: number;
  readonly problems: readonly string[];
  /** Bytes of heap that a request of the second half has left behind. */
  readonly growth: number;
  readonly milliseconds: number;
}

const TIMEOUT = 20_000;
const PARALLEL = 12;
const SHOWN_PROBLEMS = 30;
const SHOWN_OF_A_KIND = 3;

interface Answered {
  readonly status: number;
  /** Head and body. */
  readonly text: string;
  readonly body: string;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Sends `requests` requests, several at a time, and tells what was wrong with the answers, the logs and what was left behind. */
export async function fuzz(target: Target, seed: number, requests: number): Promise<FuzzReport> {
  const started = performance.now();
  const agents = [new Agent(AGENT), new Agent(AGENT)] as const;
  const conformance = new Conformance(target.document);
  const material = { ...target.material, document: target.document };
  const table = new Map<string, number>();
  const problems: string[] = [];
  const kinds = new Map<string, number>();
  /** Of each kind the first ones: a common one hides no other. */
  function problem(text: string): void {
    const kind = text.replace(/request \d+ .*?\)(?=$|:)|\d+/g, '');
    const seen = kinds.get(kind) ?? 0;
    kinds.set(kind, seen + 1);
    if (seen < SHOWN_OF_A_KIND && problems.length < SHOWN_PROBLEMS) problems.push(text);
  }
  let reached = 0;
  let validated = 0;
  let next = 0;

  function search(where: string, text: string): void {
    for (const [i, marker] of target.markers.entries())
      if (text.includes(marker)) problem(`marker ${i} in ${where}`);
  }

  function readLogs(): void {
    const { access, process } = target.logs();
    for (const entry of access) {
      const key = `${entry.action} ${entry.status}`;
      table.set(key, (table.get(key) ?? 0) + 1);
      if (entry.query !== undefined) reached++;
    }
    search('the access log', JSON.stringify(access));
    search('the process log', JSON.stringify(process, withErrors));
  }

  async function one(index: number): Promise<void> {
    const request = fuzzRequest(index, seed, material);
    const name = `request ${index} of seed ${seed} (${request.method} ${JSON.stringify(request.path.slice(0, 80))})`;
    let answered: Answered | undefined;
    try {
      answered = await send(target.port, request, agents[request.stranger ? 1 : 0]);
    } catch (error) {
      problem(`${name}: ${(error as Error).message}`);
      return;
    }
    if (answered === undefined) return;
    const { status, text, body } = answered;
    if (status >= 500 && status !== 501 && status !== 503)
      problem(`${name}: ${status} ${body.slice(0, 200)}`);
    search(`the answer to ${name}`, text);
    if (!URL.canParse(`http://localhost${request.path}`)) return;
    const url = new URL(`http://localhost${request.path}`);
    const path = url.pathname.replace(/^\/+/, '/').replace(/(?<=.)\/+$/, '');
    validated++;
    const wrong = conformance.problem(request.method, path, url.searchParams, status, body);
    if (wrong !== undefined) problem(`${name}: ${wrong}`);
  }

  async function worker(end: number): Promise<void> {
    while (next < end) {
      const index = next++;
      if (index % 100 === 0) {
        await target.refill();
        readLogs();
      }
      await one(index);
    }
  }
  const run = (end: number) => Promise.all(Array.from({ length: PARALLEL }, () => worker(end)));

  const listeners = countListeners();
  const connected = sockets();
  await run(Math.floor(requests / 2));
  readLogs();
  const half = heap();
  await run(requests);
  readLogs();
  const growth = (heap() - half) / (requests / 2);

  for (const agent of agents) agent.destroy();
  const connections = (await settled(sockets)) - connected;
  if (connections > 0) problem(`left behind: ${connections} connections`);
  if (countListeners() > listeners)
    problem(`left behind: ${countListeners() - listeners} listeners of the process`);
  const milliseconds = Math.round(performance.now() - started);
  return { requests, reached, table, validated, problems, growth, milliseconds };
}

/** The connection ended without an answer. */
const ENDED = new Set(['ECONNRESET', 'EPIPE']);
/** What node's client refuses to send is sent as bytes. */
const UNSENDABLE = new Set(['ERR_UNESCAPED_CHARACTERS', 'ERR_INVALID_CHAR', 'ERR_INVALID_HTTP_TOKEN']);
/** The beginning of a stream of events. */
const ENDLESS = /\r\ncontent-type: text\/event-stream\r\n.*\r\n\r\n.*\n\n/is;
const AGENT = { keepAlive: true, maxSockets: PARALLEL, timeout: TIMEOUT } as const;

/** Undefined when the connection was ended without an answer, as it may be for what is no HTTP. @throws Error nothing came in time */
async function send(port: number, request: FuzzRequest, agent: Agent): Promise<Answered | undefined> {
  const { method, path, body, stranger } = request;
  const localAddress = stranger ? '127.0.0.2' : '127.0.0.1';
  const length = body === undefined ? undefined : Buffer.byteLength(body);
  const fields = [
    ...request.headers,
    ...(length === undefined ? [] : [['Content-Length', String(length)] as const]),
  ];
  let outgoing: ReturnType<typeof httpRequest> | undefined;
  try {
    const options = { port, host: '127.0.0.1', localAddress, method, path, agent, setHost: false };
    outgoing = httpRequest({ ...options, timeout: TIMEOUT });
    // Whoever waits for the answer hears of it, too.
    outgoing.on('error', () => {});
    for (const [name, value] of fields) outgoing.appendHeader(name, value);
    return await exchange(outgoing, body);
  } catch (error) {
    // Half a request would keep its connection.
    outgoing?.destroy();
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (ENDED.has(code)) return undefined;
    if (!UNSENDABLE.has(code)) throw error;
  }
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...fields.map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ];
  return raw(port, localAddress, `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`);
}

function exchange(outgoing: ReturnType<typeof httpRequest>, body: string | undefined): Promise<Answered> {
  return new Promise((resolve, reject) => {
    outgoing.on('timeout', () => reject(new Error(`no answer within ${TIMEOUT} ms`)));
    outgoing.on('error', reject);
    outgoing.on('response', (response: IncomingMessage) => {
      let text = '';
      const whole = () => {
        const head = JSON.stringify(response.rawHeaders);
        resolve({ status: response.statusCode ?? 0, text: `${head}\n${text}`, body: text });
      };
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (response.headers['content-type'] !== 'text/event-stream') return;
        // It has no end: its beginning will do.
        whole();
        outgoing.destroy();
      });
      response.on('error', reject);
      response.on('end', whole);
    });
    outgoing.end(body);
  });
}

async function raw(port: number, localAddress: string, bytes: string): Promise<Answered | undefined> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  let text = '';
  await new Promise<void>((resolve, reject) => {
    socket.setTimeout(TIMEOUT, () => {
      socket.destroy();
      reject(new Error(`no end of the connection within ${TIMEOUT} ms`));
    });
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (ENDLESS.test(text)) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.end(Buffer.from(bytes, 'latin1'));
  });
  // Without what is said before the answer.
  text = text.replace(/^HTTP\/1\.1 1\d\d .*?\r\n\r\n/s, '');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1];
  if (status === undefined) return undefined;
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  const chunked = /\r\ntransfer-encoding: chunked\r\n/i.test(text.slice(0, text.length - body.length));
  return { status: Number(status), text, body: chunked ? dechunked(body) : body };
}

function dechunked(body: string): string {
  let rest = Buffer.from(body);
  const parts: Buffer[] = [];
  for (;;) {
    const end = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.subarray(0, end).toString(), 16);
    if (end < 0 || !(size > 0)) return Buffer.concat(parts).toString();
    parts.push(rest.subarray(end + 2, end + 2 + size));
    rest = rest.subarray(end + 4 + size);
  }
}

function heap(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

function countListeners(): number {
  return process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
}

/** Connections of this process, those of the server and those of the client. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
}

/** Closing takes a turn or two: what `count` answers when it has not become less for a while. */
async function settled(count: () => number): Promise<number> {
  let least = count();
  for (let still = 0; still < 10; still++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (count() < least) still = 0;
    least = Math.min(least, count());
  }
  return least;
}

function withErrors(_name: string, value: unknown): unknown {
  return value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
}
