import { createRequire } from 'node:module';
import { type MessagePort, Worker } from 'node:worker_threads';
import type * as sdk from 'couchbase';
import { down, faultOf } from './faults.js';
import { type KeyRange, type Scanned, scanKeys } from './scan.js';

/** How a scanner connects; handed to its thread. */
export interface ScannerLogin {
  readonly url: string;
  readonly options: Pick<sdk.ConnectOptions, 'username' | 'password' | 'timeouts' | 'security'>;
  readonly bucket: string;
}

interface Question {
  readonly id: number;
  readonly scope: string;
  readonly collection: string;
  readonly range: KeyRange;
  readonly timeout: number;
}

type Answer = { readonly id: number } & (
  | { readonly scanned: Scanned }
  | { readonly error: { readonly name: string; readonly message: string } }
);

interface Waiting {
  readonly worker: Worker;
  readonly answered: (answer: Answer) => void;
}

/** How much longer than its scan a thread may take to answer. */
const GRACE = 100;

/** Scans in a thread with a connection of its own, so that requests go on meanwhile. The thread is started by the first scan. */
export class Scanner {
  readonly #login: ScannerLogin;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  /** The thread has answered: it is not only just starting. */
  #running = false;
  #questions = 0;

  constructor(login: ScannerLogin) {
    this.#login = login;
  }

  async scan(scope: string, collection: string, range: KeyRange, timeout: number): Promise<Scanned> {
    const worker = this.#started();
    const id = this.#questions++;
    const answer = await new Promise<Answer | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), timeout + GRACE);
      const answered = (answer: Answer) => {
        clearTimeout(timer);
        resolve(answer);
      };
      this.#waiting.set(id, { worker, answered });
      worker.postMessage({ id, scope, collection, range, timeout } satisfies Question);
    });
    this.#waiting.delete(id);
    if (answer === undefined) {
      // One that is only just starting is waited for by the next list.
      if (this.#running) this.#end(worker);
      throw down(`list: no answer within ${timeout} ms`);
    }
    if ('error' in answer) {
      const { name, message } = answer.error;
      throw faultOf('list', Object.assign(new Error(message), { name }));
    }
    return answer.scanned;
  }

  close(): void {
    if (this.#worker !== undefined) this.#end(this.#worker);
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const path = createRequire(import.meta.url).resolve('couchbase');
    const worker = new Worker(PROGRAM, { eval: true, workerData: { path, login: this.#login } });
    worker.unref();
    this.#running = false;
    worker.on('message', (answer: Answer) => {
      this.#running = true;
      this.#waiting.get(answer.id)?.answered(answer);
    });
    worker.on('error', (error: Error) => this.#died(worker, error));
    worker.on('exit', () => this.#died(worker, new Error('the thread that scans has ended')));
    this.#worker = worker;
    return worker;
  }

  /** Fails the scans that it was asked for; the next one starts another thread. */
  #died(worker: Worker, { name, message }: Error): void {
    if (this.#worker === worker) this.#worker = undefined;
    for (const [id, waiting] of this.#waiting)
      if (waiting.worker === worker) waiting.answered({ id, error: { name, message } });
  }

  #end(worker: Worker): void {
    if (this.#worker === worker) this.#worker = undefined;
    worker.postMessage('close');
  }
}

/** What runs in the thread. Uses nothing but what it is given. */
function serve(
  { connect, RangeScan, ScanTerm }: typeof sdk,
  scan: typeof scanKeys,
  port: MessagePort,
  { url, options, bucket }: ScannerLogin,
): void {
  let cluster: Promise<sdk.Cluster> | undefined;
  port.on('message', async (question: Question | 'close') => {
    if (question === 'close') {
      port.close();
      await cluster?.then((open) => open.close()).catch(() => undefined);
      return;
    }
    const { id, scope, collection, range, timeout } = question;
    try {
      cluster ??= connect(url, options);
      const documents = (await cluster).bucket(bucket).scope(scope).collection(collection);
      port.postMessage({ id, scanned: await scan({ RangeScan, ScanTerm }, documents, range, timeout) });
    } catch (error) {
      const { name, message } = error as Error;
      port.postMessage({ id, error: { name, message } });
      // The next scan has a new connection: this one may be lost without knowing it.
      const old = cluster;
      cluster = undefined;
      await old?.then((open) => open.close()).catch(() => undefined);
    }
  });
}

/** As text: a thread needs a program that is there whether this file is TypeScript, a module or CommonJS. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
(${serve})(require(workerData.path), ${scanKeys}, parentPort, workerData.login);
`;
