// A service with sessions of its own, as an application embeds it: no gateway. Waits in each request to `/wait` for the end of its session.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { compose, readConfig } from '@sessionkit/compose';
import { sessionHandler } from '@sessionkit/http-node';

const { config, error } = await readConfig({ file: process.argv[2] });
if (error) throw error;
const { services } = await compose(config);
const { service } = services.get('shop');

const handler = sessionHandler(service, async (request, response, session) => {
  if (request.url === '/login') await session.login('ann');
  else if (request.url === '/logout') await session.logout();
  else {
    const { signal } = session;
    response.write('waiting ');
    if (!signal.aborted) await once(signal, 'abort');
    response.end(`${signal.reason.name} ${signal.reason.endCause}`);
    return;
  }
  response.end('done');
});
const server = createServer(handler).listen(0, '127.0.0.1', () => {
  console.error(`listening: public http://127.0.0.1:${server.address().port}`);
});
