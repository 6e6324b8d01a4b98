import assert from 'node:assert/strict';
import { type Millis, processEnvironment, WRITES_KEPT } from '@sessionkit/session-core';
import type { Answer, Application, Customer } from './fault-application.js';
import { type FaultCase, type FaultKit, fails, pause } from './fault-kit.js';
import { loaded } from './fault-outages.js';
import { makeWriteId } from './records.js';

/** After how many bytes an answer is cut. */
const CUTS = [0, 1, 6];
const SIGNAL: AbortSignal = new AbortController().signal;

/** The part of the store that has this session may be another one than that of the others, and back a moment later. */
async function back(application: Application, own: Customer, within: Millis): Promise<Answer> {
  const limit = performance.now() + within;
  for (;;) {
    const answer = await application.look(own);
    if (answer.status === 200 || performance.now() > limit) return answer;
    await pause(20);
  }
}

function savingOf({ store }: FaultKit, { id }: Customer): string {
  return store.saving?.(id) ?? id;
}

export const cutCases: readonly FaultCase[] = [
  {
    name: 'cut in the middle of the answer to a load: 503 at most, and the next visits find the session',
    async run(kit) {
      const application = await kit.start();
      const [own, ...others] = (await application.customers(4)) as [Customer, ...Customer[]];
      await application.add(own);
      for (const bytes of CUTS) {
        const isCut = kit.cutAnswer(own.id, bytes);
        const answer = await application.look(own);
        assert.ok(isCut(), 'no answer was cut');
        kit.inTime(answer);
        await kit.recovers(application, others);
        assert.equal((await back(application, own, kit.deadline)).status, 200);
      }
    },
  },
  {
    name: 'cut in the middle of the answer to a save: however often it is sent, it counts once',
    async run(kit) {
      const application = await kit.start();
      const [own, ...others] = (await application.customers(4)) as [Customer, ...Customer[]];
      for (const [at, bytes] of CUTS.entries()) {
        let isCut = () => false;
        const answer = await application.add(own, () => {
          isCut = kit.cutAnswer(savingOf(kit, own), bytes);
        });
        assert.ok(isCut(), 'no answer was cut');
        kit.inTime(answer);
        await kit.recovers(application, others);
        // The server had it whole, so that it is stored; whether its client was told so or not, it is there once.
        assert.equal(
          (await back(application, own, kit.deadline)).count,
          at + 1,
          'a save whose answer was cut does not count once',
        );
      }
    },
  },
  {
    name: 'cut in the middle of the answer to a save: the same save, sent again when the store is back, answers true and changes nothing',
    async run(kit) {
      const application = await kit.start();
      const [own, ...others] = (await application.customers(4)) as [Customer, ...Customer[]];
      const { backend } = application;
      for (const bytes of CUTS) {
        const record = await loaded(backend, own.id);
        const writes = [...record.writes, makeWriteId(processEnvironment)].slice(-WRITES_KEPT);
        const next = { ...record, version: record.version + 1, writes, data: `{"bytes":${bytes}}` };
        const isCut = kit.cutAnswer(savingOf(kit, own), bytes);
        await fails(backend.save(next, SIGNAL));
        assert.ok(isCut(), 'no answer was cut');
        await pause(20);
        await kit.recovers(application, others);
        await back(application, own, kit.deadline);
        assert.equal(
          await backend.save(next, SIGNAL),
          true,
          'a save that was stored and is sent again answers false',
        );
        const { version, data } = await loaded(backend, own.id);
        assert.deepEqual({ version, data }, { version: next.version, data: next.data });
      }
    },
  },
];
