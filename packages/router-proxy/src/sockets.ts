import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const waiting = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `done` once, when the answer is over or its connection is gone.
 *
 * A pipelined answer has no connection while those before it are being written, and node never tells it that the connection closed meanwhile. So the
 * socket is asked, by one listener for all answers that wait on it.
 */
export function whenClosed(request: IncomingMessage, response: ServerResponse, done: () => void): void {
  if (response.socket !== null) {
    response.once('close', done);
    return;
  }
  const { socket } = request;
  const queued = waiting.get(socket) ?? listen(socket);
  const once = () => {
    if (queued.delete(once)) done();
  };
  queued.add(once);
  response.once('close', once);
}

function listen(socket: Socket): Set<() => void> {
  const queued = new Set<() => void>();
  waiting.set(socket, queued);
  socket.once('close', () => {
    for (const each of queued) each();
  });
  return queued;
}
