// The service behind the gateways. It knows sessions by headers only.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const HELLO = 'hello';
const sockets = new WebSocketServer({ noServer: true });

function dataOf({ headers }) {
  const data = headers['x-session-data'];
  return data ? JSON.parse(Buffer.from(data, 'base64url').toString()) : {};
}

/** A JSON merge patch (RFC 7396) for the data of the session. */
const patch = (changes) => ({ 'X-Session-Data': Buffer.from(JSON.stringify(changes)).toString('base64url') });

const routes = {
  '/login': (_, response, query) =>
    response.writeHead(200, { 'X-Session-User': encodeURIComponent(query.get('user')) }).end('welcome'),
  '/logout': (_, response) => response.writeHead(200, { 'X-Session-Destroy': '1' }).end('goodbye'),
  // The client counts, so that one that asks again after a cut connection is counted once.
  '/visit': (_, response, query) => {
    const visits = Number(query.get('n'));
    response.writeHead(200, patch({ visits })).end(`visit ${visits}`);
  },
  '/visits': (request, response) => response.end(String(dataOf(request).visits ?? 0)),
  '/who': (_, response) => response.end(process.env.NAME),
  '/page': (_, response) => response.writeHead(200, { 'Cache-Control': 'private, max-age=60' }).end('a page'),
  '/slow': (_, response, query) => {
    const timer = setTimeout(() => response.end('slow'), Number(query.get('ms')));
    response.once('close', () => clearTimeout(timer));
  },
  '/events': (_, response) =>
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(`data: ${HELLO}\n\n`),
};

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://up');
  const route = routes[pathname];
  if (route === undefined) response.writeHead(404).end();
  else route(request, response, searchParams);
});
server.on('upgrade', (request, socket, head) =>
  sockets.handleUpgrade(request, socket, head, (opened) => {
    opened.on('message', (message) => opened.send(`echo ${message}`));
  }),
);
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`upstream: http://127.0.0.1:${server.address().port}`);
});
