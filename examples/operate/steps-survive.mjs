// kill -9 of each part, while clients go on.
import { assert, eventually, step } from './report.mjs';

/** How long what a killed process has told of itself counts, in ms. */
const LEASE = 10_000;

const troublesOf = (crew) => {
  const all = {};
  for (const { troubles } of crew)
    for (const [what, count] of Object.entries(troubles)) all[what] = (all[what] ?? 0) + count;
  return Object.entries(all)
    .map(([what, count]) => `${what} ${count}×`)
    .join(', ');
};

export async function surviving(world, { storePid }) {
  const { operator } = world;

  await step('kill -9 of gateway 1', async () => {
    const fred = await world.client('fred').login(1);
    const [, events] = [await fred.socket(0), await fred.events(1)];
    const count = async () => (await operator.session(fred.id)).connections.length;
    await eventually('connections in both gateways', async () => (await count()) === 2);
    const before = world.visits();
    await world.gateways[0].end('SIGKILL');
    await eventually(
      'visits of all through gateway 2',
      () => world.visits() > before + 5 * world.crew.length,
    );
    const { took } = await eventually(
      'the end of what the killed gateway has told',
      async () => (await count()) === 1,
      LEASE + 2_000,
    );
    assert.ok(events.isOpen(), 'what gateway 2 holds stays');
    await world.startGateway(0);
    const steered = await world.steerAll();
    await operator.end(fred.id);
    assert.match(await events.over, /killed/);
    return `its connections vanish after ${took} ms; started again, ${steered} sessions are listed, altered and served`;
  });

  await step('kill -9 of the admin API', async () => {
    const { found: before } = await eventually('a visit', () => world.visits());
    await world.admin.end('SIGKILL');
    await eventually('visits of all meanwhile', () => world.visits() > before + 5 * world.crew.length);
    await world.startAdmin();
    return `clients notice nothing; started again, ${await world.steerAll()} sessions are listed, altered and served`;
  });

  await step('kill -9 of the store', async () => {
    const gina = await world.client('gina').login(0);
    const holds = [await gina.socket(0), await gina.events(1)];
    if (storePid === undefined)
      return 'left out: start with --store-pid N, and let the store be started again';
    process.kill(storePid, 'SIGKILL');
    const down = await eventually('503', async () => (await gina.send('/visits')).status === 503, 30_000);
    const { took } = await eventually(
      'answers of both gateways and the admin API',
      async () => {
        for (const gateway of [0, 1])
          if ((await gina.send('/visits', { gateway })).status !== 200) return false;
        return (await operator.request('GET', 'sessions')).status === 200;
      },
      60_000,
    );
    assert.ok(
      holds.every((hold) => hold.isOpen()),
      'an outage ends nothing',
    );
    const steered = await world.steerAll();
    await operator.end(gina.id);
    assert.deepEqual(await Promise.all(holds.map(({ over }) => over)), [
      '4401 killed',
      'event: end data: {"cause":"killed"}',
    ]);
    return `503 after ${down.took} ms, never 401; served again ${took} ms later; ${steered} sessions are listed, altered and served`;
  });

  await step('nothing that was acknowledged is lost', async () => {
    for (const client of world.crew) {
      await client.rest();
      const { data } = await operator.session(client.id);
      assert.equal(data.values.visits, client.acknowledged, client.user);
      for (const gateway of [0, 1])
        assert.equal((await client.send('/visits', { gateway })).body, String(client.acknowledged));
    }
    return `${world.visits()} acknowledged visits of ${world.crew.length} sessions are stored (on the way: ${troublesOf(world.crew) || 'no trouble'})`;
  });

  await step('every session can still be ended', async () => {
    for (const client of world.crew) {
      const socket = await client.socket(0);
      await operator.end(client.id);
      assert.equal(await socket.over, '4401 killed');
      for (const gateway of [0, 1]) assert.equal((await client.send('/visits', { gateway })).status, 401);
    }
    const left = (await operator.read('sessions')).filter(({ attributes }) =>
      /^crew/.test(attributes.user ?? ''),
    );
    assert.deepEqual(left, []);
    return `${world.crew.length} sessions ended in both gateways`;
  });
}
