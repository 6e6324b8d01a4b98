// Sessions that run out while clients hold them open in two gateways: what counts as use, and who is told when and why.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cookieOf, send } from './client.js';
import { type Fleet, startFleet } from './fleet.js';
import { holdEvents, holdSocket, startLiveUpstream, told } from './holds.js';
import { SHARED_STORES, type SharedStore } from './shared-store.js';

const IDLE = 3_000;
const DURATION = 8_000;
/** Latest that a client is told after its session has run out, in ms; a machine that has more to do is no reason to fail but in the long run. */
const WITHIN = 1_000 * (process.env.SESSIONKIT_LONG === '1' ? 1 : 10);
/** The processes estimate the clock of the store, each for itself. */
const EARLY = 100;

let upstream: Awaited<ReturnType<typeof startLiveUpstream>>;
let store: SharedStore;
let fleet: Fleet;

beforeAll(async () => {
  upstream = await startLiveUpstream();
  store = await (SHARED_STORES.redis as () => Promise<SharedStore>)();
  const times = `duration: ${DURATION / 1_000}, idle_timeout: ${IDLE / 1_000}`;
  fleet = await startFleet(upstream.url, store, {
    session: `limits: false, transport: { type: cookie }, ${times}`,
  });
});

afterAll(async () => {
  await fleet?.stop();
  upstream?.stop();
  await store?.stop();
});

/** A session held by a WebSocket in one gateway and a stream of events in the other, and when it was begun. */
async function hold(user: string, path?: string) {
  const [one, two] = fleet.gateways;
  const begun = performance.now();
  const cookie = cookieOf(await send(`${one}/login?user=${user}`));
  const [socket, events] = [await holdSocket(one, cookie, path), await holdEvents(two, cookie)];
  return { begun, used: performance.now(), socket, events };
}

it('a session that nobody uses ends although its server talks; one whose client talks lives to the end of its duration', async () => {
  const [pushed, talking] = [await hold('ann', '/push'), await hold('bob')];
  const saying = setInterval(() => talking.socket.send('I am here'), 300);
  try {
    const idle = await Promise.all([pushed.socket.over, pushed.events.over]);
    expect(idle.map((each) => each.told)).toEqual([told('idle').socket, told('idle').events]);
    for (const { at } of idle) {
      expect(at - pushed.begun).toBeGreaterThan(IDLE - EARLY);
      expect(at - pushed.used).toBeLessThan(IDLE + WITHIN);
    }
    // What came to the client was no use.
    expect(pushed.socket.received).toBeGreaterThan(5);
    expect([talking.socket.open, talking.events.open]).toEqual([true, true]);

    const over = await Promise.all([talking.socket.over, talking.events.over]);
    expect(over.map((each) => each.told)).toEqual([told('duration').socket, told('duration').events]);
    for (const { at } of over) {
      expect(at - talking.begun).toBeGreaterThan(DURATION - EARLY);
      expect(at - talking.used).toBeLessThan(DURATION + WITHIN);
    }
  } finally {
    clearInterval(saying);
  }
});
