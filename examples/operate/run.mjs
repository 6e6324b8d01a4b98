// Operates sessions of two gateways through an admin API in a third process, and shows what its clients see.
//   REDIS_URL=redis://127.0.0.1:6379 node run.mjs
//   DATABASE_URL=postgres://USER:PASSWORD@127.0.0.1/DB node run.mjs
//   --store-pid N    kills the store in the middle, too; something has to start it again
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { storeOf } from './configuration.mjs';
import { step, stepCount } from './report.mjs';
import { ending } from './steps-end.mjs';
import { reloading } from './steps-reload.mjs';
import { seeing } from './steps-see.mjs';
import { steering } from './steps-steer.mjs';
import { surviving } from './steps-survive.mjs';
import { watching } from './steps-watch.mjs';
import { World } from './world.mjs';

const CREW = 5;

const { values } = parseArgs({ options: { 'store-pid': { type: 'string' } } });
const storePid = values['store-pid'] === undefined ? undefined : Number(values['store-pid']);
const { REDIS_URL, DATABASE_URL } = process.env;
const url = REDIS_URL ?? DATABASE_URL;
if (url === undefined) {
  console.error('Say where sessions are kept: REDIS_URL=redis://127.0.0.1:6379 or DATABASE_URL=postgres://…');
  process.exit(2);
}

const folder = mkdtempSync(join(import.meta.dirname, '.run-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const world = new World(storeOf(url), folder);
try {
  await step('two upstreams, two gateways, and an admin API alone', async () => {
    await world.start();
    for (let n = 0; n < CREW; n++) await world.join(`crew${n}`);
    return `on one ${world.store.name}; ${CREW} users visit both gateways until the end`;
  });
  const ann = await seeing(world);
  await steering(world, ann);
  await reloading(world, ann);
  await watching(world);
  await ending(world, ann);
  await surviving(world, { storePid });
  console.log(`${stepCount()} steps, all seen; ${world.visits()} visits acknowledged, none lost`);
  process.exit(0);
} catch (error) {
  console.error(error);
  for (const { name, stderr } of [...world.gateways, world.admin])
    console.error(`--- ${name}\n${stderr.slice(-2000)}`);
  process.exit(1);
}
