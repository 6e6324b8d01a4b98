import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const waiting = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `done` once, when the answer is over or its connection is gone.
 *
 * A pipelined answer has no connection while those before it are being written, and node never tells it that the connection closed meanwhile; so the
 * socket itself is asked, with one listener for all answers that wait on it.
 */
export function whenClosed(request: IncomingMessage, response: ServerResponse, done: () => void): void {
  if (response.socket !== null) {
    response.once('close', done);
    return;
  }
  const { socket } = request;
  let queued = waiting.get(socket);
  if (queued === undefined) {
    queued = new Set();
    waiting.set(socket, queued);
    const all = queued;
    socket.once('close', () => {
      for (const each of all) each();
      all.clear();
    });
  }
  const own = queued;
  const once = () => {
    if (own.delete(once)) done();
  };
  own.add(once);
  response.once('close', once);
}
