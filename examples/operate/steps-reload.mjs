// A gateway reads its file again, with clients connected.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, eventually, step } from './report.mjs';

const servers = async (client, gateway) => {
  const names = new Set();
  for (let n = 0; n < 6; n++) names.add((await client.send('/who', { gateway })).body);
  return [...names].sort().join(' and ');
};

export async function reloading(world, ann) {
  const [gateway] = world.gateways;
  const isWhole = () =>
    assert.ok(
      world.holds.every((hold) => hold.isOpen()),
      'connections stay',
    );

  await step('reload: SIGHUP', async () => {
    assert.equal(await servers(ann, 0), 'blue and green');
    world.writeGateway(0, { servers: ['green'] });
    gateway.signal('SIGHUP');
    const { took } = await eventually('one server', async () => (await servers(ann, 0)) === 'green');
    assert.equal(await servers(ann, 1), 'blue and green');
    isWhole();
    await world.holds[0].echo('still here');
    return `gateway 1 goes to green only after ${took} ms; gateway 2 as before; no connection is lost`;
  });

  await step('reload of a bad file changes nothing', async () => {
    const file = join(world.folder, 'gateway0.yaml');
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, `${good}servces: {}\n`);
    const before = gateway.log.length;
    gateway.signal('SIGHUP');
    const { found } = await eventually('the reason', () =>
      gateway.log.slice(before).find(({ level, msg }) => level === 'error' && msg.includes('servces')),
    );
    assert.equal(await servers(ann, 0), 'green');
    isWhole();
    return found.msg.replace(file, 'the file');
  });

  await step('POST /v1/maxscale/reload', async () => {
    world.writeGateway(0, {});
    const { meta } = await world.own[0].change('POST', 'maxscale/reload');
    assert.equal(await servers(ann, 0), 'blue and green');
    isWhole();
    return meta.changes.map(({ what, path }) => `${path} ${what}`).join(', ');
  });
}
