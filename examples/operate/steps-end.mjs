// How sessions end, and who is told.
import { assert, eventually, pause, step } from './report.mjs';

const event = (cause) => `event: end data: ${JSON.stringify({ cause })}`;

/** A WebSocket in the one gateway, a stream in the other, and a request under way. */
async function hold(client) {
  const [socket, events] = [await client.socket(0), await client.events(1)];
  return { socket, events, slow: client.send('/slow?ms=20000', { gateway: 1 }) };
}

/** Whether all that was held is told `cause`, the last one within `within` ms of `end`; answers the ms. */
async function ended(client, cause, end, within = 1_000) {
  const held = await hold(client);
  await pause(100);
  const begun = performance.now();
  const [socket, events, slow] = await Promise.all([held.socket.over, held.events.over, held.slow, end()]);
  const took = Math.round(performance.now() - begun);
  assert.deepEqual([socket, events, slow.status], [`4401 ${cause}`, event(cause), 401]);
  assert.ok(took < within, `${took} ms`);
  for (const gateway of [0, 1]) assert.equal((await client.send('/visits', { gateway })).status, 401);
  return took;
}

export async function ending(world, ann) {
  const { operator } = world;

  await step('DELETE: WebSockets, streams and requests of both gateways', async () => {
    const before = world.holds.map(({ over }) => over);
    const took = await ended(ann, 'killed', () => operator.end(ann.id));
    const told = await Promise.all(before);
    assert.deepEqual(told, ['4401 killed', event('killed'), '4401 killed']);
    return `all clients of ann know after ${took} ms: ${told.join('; ')}; a request under way gets 401`;
  });

  await step('DELETE ?ttl=1', async () => {
    const bert = await world.client('bert').login();
    const took = await ended(bert, 'killed', () => operator.end(bert.id, '?ttl=1'), 5_000);
    assert.ok(took >= 1_000);
    return `over after ${took} ms`;
  });

  await step('logout in one gateway', async () => {
    const cleo = await world.client('cleo').login();
    const held = [await cleo.socket(1), await cleo.events(0)];
    const begun = performance.now();
    await cleo.send('/logout');
    const told = await Promise.all(held.map(({ over }) => over));
    assert.deepEqual(told, ['4401 logout', event('logout')]);
    return `the other gateway knows after ${Math.round(performance.now() - begun)} ms`;
  });

  await step('max_per_user: a second session ends the first', async () => {
    const first = await world.client('dora').login();
    const took = await ended(first, 'limit', () => world.client('dora').login(1), 2_000);
    return `the clients of the first one know after ${took} ms`;
  });

  await step('expiry: nobody uses a session for 3 s, though clients hold it open', async () => {
    const ida = await world.client('ida', world.briefUrls).login();
    const held = [await ida.socket(0), await ida.events(1)];
    const begun = performance.now();
    const told = await Promise.all(held.map(({ over }) => over));
    assert.deepEqual(told, ['4401 idle', event('idle')]);
    const took = Math.round(performance.now() - begun);
    assert.ok(took > 2_500 && took < 6_000, `${took} ms`);
    return `both gateways tell their clients after ${took} ms: ${told.join('; ')}`;
  });

  await step('sessionkit sessions alter and end, from a shell', async () => {
    const emil = await world.client('emil').login();
    const socket = await emil.socket(1);
    const altered = await world.shell('sessions', 'alter', emil.id, '--set', 'log_info=true');
    assert.equal(altered.code, 0, altered.out);
    assert.equal((await operator.session(emil.id)).parameters.log_info, true);
    const shell = await world.shell('sessions', 'end', emil.id);
    assert.equal(shell.code, 0, shell.out);
    assert.equal(await socket.over, '4401 killed');
    await eventually(
      'its absence',
      async () => (await operator.request('GET', `sessions/${emil.id}`)).status === 404,
    );
    return shell.out.trim();
  });
}
