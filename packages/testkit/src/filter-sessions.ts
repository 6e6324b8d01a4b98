import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type FilterCase, KEPT, pause } from './filter-kit.js';
import { FilterRig } from './filter-rig.js';
import { useWell } from './filter-telling.js';

const OPERATOR = { name: 'kit' };

/** How much the memory of the process may grow by what a filter keeps, bytes. */
const GROWTH = 6 * 1_048_576;

let collector: (() => void) | undefined;

/** Collects all that nobody holds; frames and sockets that are on their way out get their turn first. */
async function collect(): Promise<void> {
  if (collector === undefined) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('gc') as () => void;
  }
  for (let i = 0; i < 4; i++) {
    await pause(10);
    collector();
  }
}

async function used(): Promise<number> {
  await collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

export const sessionCases: readonly FilterCase[] = [
  {
    name: 'what it knows of one session is not told to, and not held against another',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const [ann, bob] = [await rig.client('ann'), await rig.client('bob')];
        rig.origin = ({ session, response }) => response.writeHead(200, KEPT).end(`of ${session.user}`);
        for (let i = 0; i < 150; i++) {
          assert.equal((await rig.send(ann, '/same')).body.toString(), 'of ann');
        }
        assert.equal((await rig.send(bob, '/same')).body.toString(), 'of bob');
        assert.equal(rig.watched.opened, 2);
      }),
  },
  {
    name: 'after a login nothing of what it knew before is used',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const nobody = await rig.client();
        rig.origin = ({ session, response }) =>
          response.writeHead(200, KEPT).end(`of ${session.user ?? 'nobody'}`);
        assert.equal((await rig.send(nobody, '/page')).body.toString(), 'of nobody');
        const ann = await rig.login(nobody, 'ann');
        assert.equal(ann.id, nobody.id);
        assert.equal((await rig.send(ann, '/page')).body.toString(), 'of ann');
        assert.deepEqual([rig.watched.opened, rig.watched.closed], [2, 1]);
      }),
  },
  {
    name: 'the one that is closed harms not the one that was opened for the same session before that',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        for (const round of [1, 2, 3]) {
          rig.origin = ({ response }) => response.writeHead(200, KEPT).end(`round ${round}`);
          for (let i = 0; i < 3; i++) {
            assert.equal((await rig.send(client, `/${round}`)).body.toString(), `round ${round}`);
          }
          await rig.environment.advance(1);
          await rig.manager.restart(client.id, OPERATOR);
        }
        assert.deepEqual(rig.faults, []);
        assert.deepEqual([rig.watched.opened, rig.watched.closed], [3, 2]);
      }),
  },
  {
    name: 'the end of a session closes it, once and without a fault, and the others go on',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const [ann, bob] = [await rig.client(), await rig.client()];
        for (const client of [ann, bob]) await useWell(rig, client);
        await rig.manager.end(ann.id, OPERATOR);
        await pause();
        assert.deepEqual([rig.watched.opened, rig.watched.closed], [2, 1]);
        await useWell(rig, bob);
        await rig.manager.close();
        assert.deepEqual([rig.watched.opened, rig.watched.closed], [2, 2]);
        assert.deepEqual(rig.watched.wrongs, []);
        const complaints = rig.environment.entries.filter(({ message }) => message.includes('filter'));
        assert.deepEqual(complaints, []);
      }),
  },
  {
    name: 'of a session that is closed it holds nothing, and runs nothing',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const timers = rig.environment.clock.running;
        const sessions = 12;
        for (let i = 0; i < sessions; i++) {
          const client = await rig.client();
          await useWell(rig, client);
          await rig.manager.end(client.id, OPERATOR);
        }
        await pause();
        assert.equal(rig.watched.closed, sessions);
        assert.equal(rig.environment.clock.running, timers, 'a timer of a closed session runs');
        await collect();
        for (const given of [rig.watched.targets, rig.watched.given]) {
          const left = given.filter((each) => each.deref() !== undefined).length;
          // Node itself holds on to its last few.
          assert.ok(
            left <= given.length / 4,
            `it holds ${left} of ${given.length} objects that it was given`,
          );
        }
      }),
  },
  {
    name: 'many sessions with many answers do not make it grow without end',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const size = 65_536;
        rig.origin = ({ response }) => response.writeHead(200, KEPT).end(Buffer.alloc(size, 1));
        await useWell(rig, await rig.client());
        rig.origin = ({ response }) => response.writeHead(200, KEPT).end(Buffer.alloc(size, 1));
        const before = await used();
        for (let i = 0; i < 40; i++) {
          const client = await rig.client();
          for (let j = 0; j < 4; j++) await rig.send(client, `/${i}/${j}`);
        }
        await rig.quiet();
        const grown = (await used()) - before;
        assert.ok(grown < GROWTH, `${160 * size} bytes went through it, and it holds ${grown}`);
      }),
  },
];
