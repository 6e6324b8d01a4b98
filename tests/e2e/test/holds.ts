// What clients hold open at a gateway, and how they learn that their session is over.
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

interface Over {
  /** `performance.now()` when the client saw it. */
  readonly at: number;
  /** What it was told: the close code of a WebSocket with its reason, the name of an event with its data. */
  readonly told: string;
}

/** A connection that a client holds open. */
export interface Hold {
  readonly over: Promise<Over>;
  readonly open: boolean;
  close(): void;
}

export interface SocketHold extends Hold {
  /** Messages that have come. */
  readonly received: number;
  send(text: string): void;
}

/** @param path `/push`: the server says something five times a second */
export async function holdSocket(gateway: string, cookie: string, path = '/socket'): Promise<SocketHold> {
  const socket = new WebSocket(gateway.replace('http', 'ws') + path, { headers: { cookie } });
  let received = 0;
  socket.on('message', () => {
    received += 1;
  });
  const over = once(socket, 'close').then(([code, reason]) => ({
    at: performance.now(),
    told: `${code} ${reason}`,
  }));
  // Whoever waits for it is told.
  over.catch(() => {});
  await once(socket, 'open');
  return {
    over,
    get open() {
      return socket.readyState === WebSocket.OPEN;
    },
    get received() {
      return received;
    },
    send: (text) => socket.send(text),
    close: () => socket.terminate(),
  };
}

export async function holdEvents(gateway: string, cookie: string): Promise<Hold> {
  const request = get(`${gateway}/events`, { headers: { cookie }, agent: false });
  const [response] = await once(request, 'response');
  if (response.statusCode !== 200) throw new Error(`a stream of events was answered ${response.statusCode}`);
  let text = '';
  let open = true;
  const over = new Promise<Over>((resolve) => {
    const finish = () => {
      open = false;
      const last = text.trimEnd().split('\n\n').at(-1) ?? '';
      resolve({ at: performance.now(), told: last.replace('\n', ' ') });
    };
    response.on('error', finish);
    response.on('end', finish);
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  });
  return {
    over,
    get open() {
      return open;
    },
    close: () => request.destroy(),
  };
}

/** What each kind of client is told when its session is over. */
export const told = (cause: string) => ({
  socket: `4401 ${cause}`,
  events: `event: end data: ${JSON.stringify({ cause })}`,
});

/** A server that logs in and out and answers sockets and streams of events, each with one message at once. Stops with the test file. */
export async function startLiveUpstream(): Promise<{ readonly url: string; stop(): void }> {
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://up');
    if (pathname === '/events') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: hello\n\n');
      return;
    }
    if (pathname === '/login') response.setHeader('x-session-user', searchParams.get('user') ?? '');
    if (pathname === '/logout') response.setHeader('x-session-destroy', '1');
    response.end('hello');
  });
  server.on('upgrade', (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (opened) => {
      opened.send('hello');
      if (request.url !== '/push') return;
      const pushing = setInterval(() => opened.send('news'), 200);
      opened.once('close', () => clearInterval(pushing));
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}
