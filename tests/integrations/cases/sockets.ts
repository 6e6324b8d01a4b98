import { once } from 'node:events';
import { expect } from 'vitest';
import { WebSocket } from 'ws';
import { ask, cookieOf } from '../client.js';
import type { World } from '../world.js';
import { visitsAreClosed } from './answers.js';
import type { Case } from './case.js';

const connect = (w: World, headers: Readonly<Record<string, string>>) =>
  new WebSocket(`ws://127.0.0.1:${w.port}/ws`, { headers });

/** The status that a handshake is refused with. */
async function refusedWith(socket: WebSocket): Promise<number> {
  const [, answer] = await once(socket, 'unexpected-response');
  answer.resume();
  return answer.statusCode;
}

export const SOCKETS: readonly Case[] = [
  {
    name: 'a socket has its session from the handshake on: it is guarded, stores by commit, and ends with the session',
    async run(stage) {
      const opened: { commit(): Promise<void> }[] = [];
      const w = await stage.start({
        routes: {
          '/set': (call) => {
            call.session.set('n', 1);
            call.answer(200, {}, call.session.id);
          },
          '/get': (call) => call.answer(200, {}, String(call.session.get('n'))),
        },
        socket(session, socket) {
          session.signal.addEventListener('abort', () => socket.close(4401, 'over'));
          session.set('n', 2);
          opened.push(session);
          socket.send(`hello ${session.id}`);
        },
      });
      const first = await ask(w.port, '/set');
      const cookie = cookieOf(first);
      const foreign = { cookie, 'sec-fetch-site': 'cross-site' };
      if (!stage.integration.sockets) {
        // What hands the request of a socket to a plain handler has it guarded all the same.
        const headers = { ...foreign, upgrade: 'websocket', connection: 'Upgrade' };
        expect((await ask(w.port, '/get', { headers, agent: false })).status).toBe(403);
        return;
      }
      expect(await refusedWith(connect(w, foreign))).toBe(403);
      expect(await refusedWith(connect(w, { cookie: 'sid=rubbish' }))).toBe(401);
      expect(opened).toEqual([]);
      const socket = connect(w, { cookie });
      const closed = once(socket, 'close');
      const [hello] = await once(socket, 'message');
      expect(String(hello)).toBe(`hello ${first.body}`);
      await opened[0]?.commit();
      expect((await ask(w.port, '/get', { cookie })).body).toBe('2');
      expect(w.visits.open).toBe(1);
      await w.manager.end(first.body as Parameters<typeof w.manager.end>[0], { name: 'admin' });
      const [code, reason] = await closed;
      expect([code, String(reason)]).toEqual([4401, 'over']);
      await visitsAreClosed(w);
    },
  },
  {
    name: 'a socket that the client closes leaves no visit open',
    async run(stage) {
      let opened = 0;
      const w = await stage.start({
        routes: { '/': (call) => call.answer(200, {}, 'ok') },
        socket(_session, socket) {
          opened++;
          socket.send('hello');
        },
      });
      if (!stage.integration.sockets) {
        await ask(w.port, '/', { headers: { upgrade: 'websocket', connection: 'Upgrade' }, agent: false });
        await visitsAreClosed(w);
        return;
      }
      const socket = connect(w, {});
      await once(socket, 'message');
      expect(opened).toBe(1);
      expect(w.visits.open).toBe(1);
      socket.close();
      await visitsAreClosed(w);
    },
  },
];
