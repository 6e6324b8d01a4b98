import { parentPort, workerData } from 'node:worker_threads';
import { Server, type Settings } from './server.js';

/** A method of the server, asked for by the thread that started this one. */
export interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

const server = new Server(workerData as Settings);
const methods = server as unknown as Record<string, (...args: readonly unknown[]) => unknown>;

parentPort?.on('message', async ({ id, method, args }: Call) => {
  try {
    parentPort?.postMessage({ id, result: await methods[method]?.(...args) });
  } catch (error) {
    parentPort?.postMessage({ id, error });
  }
});
