import { parentPort, workerData } from 'node:worker_threads';
import type { Place } from './configuration.js';
import { Relay } from './relay.js';
import { Server, type Settings } from './server.js';

/** What a thread runs: a node, or a relay before one. */
export type Part =
  | { readonly kind: 'server'; readonly settings: Settings }
  | { readonly kind: 'relay'; readonly target: Place };

/** A method of it, asked for by the thread that started this one. */
export interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

const part = workerData as Part;
const running = part.kind === 'server' ? new Server(part.settings) : new Relay(part.target);
const methods = running as unknown as Record<string, (...args: readonly unknown[]) => unknown>;

parentPort?.on('message', async ({ id, method, args }: Call) => {
  try {
    parentPort?.postMessage({ id, result: await methods[method]?.(...args) });
  } catch (error) {
    parentPort?.postMessage({ id, error });
  }
});
