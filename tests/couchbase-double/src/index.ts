import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Server, Settings } from './server.js';
import type { Call } from './worker.js';

export { VBUCKETS } from './bucket.js';
export { type Operation, STATUS } from './protocol.js';
export type { Fault, Shown } from './server.js';

type Controls = Omit<
  Server,
  'settings' | 'bucket' | 'isDurable' | 'faultFor' | 'configuration' | 'collectionId'
>;

/** A node that runs in a thread of its own: a scan of the SDK keeps the thread of its caller busy until it is answered. */
export type CouchbaseDouble = {
  readonly [M in keyof Controls]: (
    ...args: Parameters<Controls[M]>
  ) => Promise<Awaited<ReturnType<Controls[M]>>>;
} & {
  readonly port: number;
  readonly url: string;
  readonly settings: Settings;
  /** Ends the thread; what was stored is gone. */
  close(): Promise<void>;
};

const METHODS: readonly (keyof Controls)[] = [
  'start',
  'stop',
  'cut',
  'connections',
  'advertise',
  'inject',
  'heal',
  'durable',
  'counts',
  'keys',
  'show',
  'write',
  'clear',
  'advance',
];

let program: Promise<string> | undefined;

/** Starts an empty node on a free port of the loopback. */
export async function startDouble(settings: Partial<Settings> = {}): Promise<CouchbaseDouble> {
  const whole: Settings = {
    user: 'test',
    password: 'test-password',
    bucket: 'sessionkit',
    collections: [],
    ...settings,
  };
  program ??= bundled();
  const worker = new Worker(await program, { eval: true, workerData: whole });
  worker.unref();
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  worker.on('message', ({ id, result, error }: { id: number; result?: unknown; error?: unknown }) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) worker.unref();
    if (error === undefined) call?.resolve(result);
    else call?.reject(error);
  });
  let failed: unknown;
  worker.on('error', (error) => {
    failed = error;
    for (const { reject } of waiting.values()) reject(error);
  });
  let calls = 0;
  const call = (method: string, args: readonly unknown[]) =>
    new Promise<unknown>((resolve, reject) => {
      if (failed !== undefined) return reject(failed);
      const id = calls++;
      waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ id, method, args } satisfies Call);
    });
  const port = (await call('start', [])) as number;
  const controls = Object.fromEntries(
    METHODS.map((method) => [method, (...args: readonly unknown[]) => call(method, args)]),
  );
  return {
    ...controls,
    port,
    url: `couchbase://127.0.0.1:${port}`,
    settings: whole,
    close: async () => {
      await worker.terminate();
    },
  } as unknown as CouchbaseDouble;
}

/** The worker's program as one text: a thread cannot load TypeScript. */
async function bundled(): Promise<string> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'worker.ts')],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}
