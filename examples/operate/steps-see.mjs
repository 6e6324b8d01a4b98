// What an operator sees, at an admin API that serves none of the sessions.
import { assert, eventually, step } from './report.mjs';

/** How soon what one process knows is seen from another, in ms. */
const SEEN_WITHIN = 2_000;

export async function seeing(world) {
  const { operator } = world;
  const ann = await world.client('ann').login(0);

  await step('sessionkit sessions list and show, from a shell', async () => {
    const list = await world.shell('sessions', 'list');
    for (const { user } of [...world.crew, ann]) assert.match(list.out, new RegExp(`\\b${user}\\b`));
    const show = await world.shell('sessions', 'show', ann.id);
    assert.deepEqual([list.code, show.code], [0, 0]);
    assert.match(show.out, /Session started/);
    return `${list.out.trim().split('\n').length - 1} sessions of both gateways are listed`;
  });

  await step('what is kept of a session: session_trace, retain_last_statements', async () => {
    const parameters = { session_trace: 20, retain_last_statements: 10 };
    for (const own of world.own)
      await own.change('PATCH', 'maxscale', { data: { attributes: { parameters } } });
    return `each gateway keeps 20 lines and 10 requests of a session, from its next request on`;
  });

  await step(
    'connections, activity, memory and process of one session, united over the gateways',
    async () => {
      const holds = [await ann.socket(0), await ann.events(1), await ann.socket(1)];
      await holds[0].echo('hello');
      const { found, took } = await eventually(
        'connections of both gateways',
        async () => {
          const seen = await operator.session(ann.id);
          return seen.connections.length >= 3 && seen.io_activity > 0 && seen;
        },
        SEEN_WITHIN,
      );
      const pids = world.gateways.map(({ pid }) => pid);
      assert.ok(pids.includes(found.thread), `${found.thread} is one of ${pids}`);
      assert.ok(found.memory.data >= 2 && found.memory.connection_buffers !== undefined);
      const servers = found.connections.map(({ server }) => server).sort();
      world.holds = holds;
      return `${servers.join(', ')}; io_activity ${found.io_activity}, thread ${found.thread}, after ${took} ms`;
    },
  );

  await step('queries: requests under way and done, in any gateway', async () => {
    const slow = ann.send('/slow?ms=1500', { gateway: 1 });
    const running = await eventually(
      'a running request',
      async () => (await operator.session(ann.id)).queries.find(({ statement }) => statement === 'GET /slow'),
      1_500,
    );
    assert.equal(running.found.completed, undefined);
    await slow;
    const done = await eventually(
      'its end',
      async () =>
        (await operator.session(ann.id)).queries.find(
          ({ statement, completed }) => statement === 'GET /slow' && completed !== undefined,
        ),
      SEEN_WITHIN,
    );
    const [{ server, duration }] = done.found.responses;
    return `running after ${running.took} ms, then answered by ${server} in ${duration} ms`;
  });

  await step('log levels of one session, with its next request in each gateway', async () => {
    await operator.filters(ann.id, ['requests']);
    const lines = (n) => world.gateways[n].log.filter(({ session }) => session === ann.id).length;
    const ask = async () => {
      for (const gateway of [0, 1]) await ann.send('/visits', { gateway });
    };
    await operator.alter(ann.id, { parameters: { log_info: false } });
    await ask();
    const before = [lines(0), lines(1)];
    await ask();
    assert.deepEqual([lines(0), lines(1)], before, 'nothing is logged yet');
    await operator.alter(ann.id, { parameters: { log_info: true } });
    await ask();
    await eventually('its lines in both process logs', () => [0, 1].every((n) => lines(n) > before[n]));
    const { found, took } = await eventually(
      'its log',
      async () => {
        const { log } = await operator.session(ann.id);
        return log.filter((line) => line.includes('GET /visits')).length >= 6 && log;
      },
      SEEN_WITHIN,
    );
    await operator.alter(ann.id, { parameters: { log_info: false } });
    await operator.filters(ann.id, []);
    return `both process logs have its lines; its own log has ${found.length}, after ${took} ms`;
  });
  return ann;
}
