import { expect, it } from 'vitest';
import { ownServer } from './own-server.js';
import { everything, expectJustThese, grant, listedRights } from './rights.js';
import { connectBy } from './store-harness.js';

const own = ownServer();

it('a user with just the rights that the README lists can do everything, and uses each of them', async () => {
  const { server, client, environment } = own();
  const rules = listedRights('acl:', { cluster: false });
  await grant([server], 'least', rules);
  const login = { url: server.url, username: 'least', password: 'word' };
  const backend = await connectBy(login, { durable: true, environment }, { key_prefix: 'acl:' });
  await everything(backend, environment, {
    forgetScripts: () => server.ask('SCRIPT', 'FLUSH'),
    ghost: (entry) => client.zadd('acl:index', '0', entry),
  });
  await backend.close();
  expect(environment.entries).toMatchObject([{ message: expect.stringContaining('has no replica') }]);
  await expectJustThese([server], rules);
});
