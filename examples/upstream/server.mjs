import http from 'node:http';

/**
 * A service that knows nothing of cookies, tokens or stores: it reads the session from `X-Session-*` headers and changes it by answering such headers.
 * Any language can do that.
 */

const port = Number(process.env.PORT ?? 9001);
const host = process.env.HOST ?? '127.0.0.1';

/** The session as the gateway tells it. */
function sessionOf({ headers }) {
  const { 'x-session-id': id, 'x-session-user': user, 'x-session-data': data } = headers;
  return {
    id: id === undefined || id === '-' ? undefined : id,
    user: user && decodeURIComponent(user),
    data: data ? JSON.parse(Buffer.from(data, 'base64url').toString()) : {},
  };
}

/** A JSON merge patch (RFC 7396) for the data of the session. */
const patch = (changes) => Buffer.from(JSON.stringify(changes)).toString('base64url');

function answer(response, status, text, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers }).end(`${text}\n`);
}

const routes = {
  'GET /': (request, response) => {
    const { id, user, data } = sessionOf(request);
    if (id === undefined) return answer(response, 200, 'Hello, whoever you are: there is no session');
    const visits = (Number(data.visits) || 0) + 1;
    return answer(response, 200, `Hello ${user ?? 'stranger'}, visit ${visits}, session ${id}`, {
      'X-Session-Data': patch({ visits }),
    });
  },
  'POST /login': (_request, response, url) => {
    // A real service checks a password here.
    const user = url.searchParams.get('user');
    if (!user) return answer(response, 400, 'Who are you? POST /login?user=NAME');
    return answer(response, 200, `Welcome, ${user}`, { 'X-Session-User': encodeURIComponent(user) });
  },
  'POST /logout': (_request, response) => answer(response, 200, 'Goodbye', { 'X-Session-Destroy': '1' }),
  'GET /slow': (_request, response, url) => {
    const seconds = Math.min(Number(url.searchParams.get('seconds') ?? 5) || 0, 60);
    const timer = setTimeout(() => answer(response, 200, `This took ${seconds} seconds`), seconds * 1000);
    response.once('close', () => clearTimeout(timer));
  },
  'GET /health': (_request, response) => answer(response, 200, 'ok'),
};

const server = http.createServer((request, response) => {
  try {
    const url = new URL(request.url ?? '/', 'http://upstream');
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const route = routes[`${method} ${url.pathname}`];
    if (route === undefined) answer(response, 404, 'There is nothing here');
    else route(request, response, url);
  } catch {
    answer(response, 400, 'This request makes no sense');
  }
});

server.listen(port, host, () => {
  console.log(`upstream: http://${host}:${server.address().port}`);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());
