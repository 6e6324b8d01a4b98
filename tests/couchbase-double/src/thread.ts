import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Call, Part } from './worker.js';

/** Methods of what runs in another thread. */
export type Controls<T, M extends keyof T> = {
  readonly [K in M]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

/** In ms. */
const ENDS_WITHIN = 2_000;

let program: Promise<string> | undefined;

/** Starts such a part in a thread of its own, which ends with `close`. */
export async function startThread<T, M extends keyof T & string>(
  part: Part,
  methods: readonly M[],
): Promise<{ readonly controls: Controls<T, M>; readonly close: () => Promise<void> }> {
  program ??= bundled();
  const worker = new Worker(await program, { eval: true, workerData: part });
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
  const controls = Object.fromEntries(
    methods.map((method) => [method, (...args: readonly unknown[]) => call(method, args)]),
  );
  return {
    controls: controls as unknown as Controls<T, M>,
    close: async () => {
      // A thread that is ended with connections open may never say that it has; it keeps no process.
      await call('stop', []);
      await Promise.race([worker.terminate(), pause(ENDS_WITHIN, undefined, { ref: false })]);
    },
  };
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
