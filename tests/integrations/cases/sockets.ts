import net from 'node:net';
import { httpSettings, type Upgrade } from '@sessionkit/http-node';
import { expect } from 'vitest';
import { ask, cookieOf } from '../client.js';
import { until } from '../world.js';
import type { Case } from './case.js';

/** Writes to a fresh connection and reads until `enough`, or until the server closes it. */
function raw(port: number, text: string, enough: (read: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
    let read = '';
    socket.on('data', (chunk) => {
      read += chunk.toString('latin1');
      if (enough(read)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(read));
  });
}

const request = (lines: string) =>
  `GET /ws HTTP/1.1\r\nHost: x.example\r\nUpgrade: echo\r\nConnection: Upgrade\r\n${lines}\r\n`;

export const SOCKETS: readonly Case[] = [
  {
    name: 'a socket has its session from the upgrade on: it is guarded, stores by commit, and ends with the session',
    async run(stage) {
      const w = await stage.start({
        routes: {
          '/set': (call) => {
            call.session.set('n', 1);
            call.answer(200, {}, call.session.id);
          },
          '/get': (call) => call.answer(200, {}, String(call.session.get('n'))),
        },
      });
      const { upgrade } = stage.integration;
      const opened: Upgrade[] = [];
      if (upgrade === undefined) {
        // The package has nothing for sockets: its README says so, and what it knows of one is that it is guarded.
        const headers = { upgrade: 'websocket', connection: 'Upgrade', 'sec-fetch-site': 'cross-site' };
        expect(
          (await ask(w.port, '/get', { headers, agent: new (await import('node:http')).Agent() })).status,
        ).toBe(403);
        return;
      }
      const settings = httpSettings();
      w.server.on('upgrade', (message, socket) => {
        void upgrade(w.service, message, socket, settings).then((open) => {
          if (open === undefined) return;
          opened.push(open);
          socket.on('error', () => {});
          open.session.signal.addEventListener('abort', () => socket.end('over'));
          socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
        });
      });
      const first = await ask(w.port, '/set');
      const cookie = cookieOf(first);
      const foreign = await raw(
        w.port,
        request(`Cookie: ${cookie}\r\nSec-Fetch-Site: cross-site\r\n`),
        () => false,
      );
      expect(foreign).toMatch(/^HTTP\/1.1 403 /);
      expect(opened).toEqual([]);
      const ended = raw(w.port, request(`Cookie: ${cookie}\r\n`), () => false);
      await until('the socket is open', () => opened.length === 1);
      const session = opened[0]?.session;
      session?.set('n', 2);
      await session?.commit();
      expect((await ask(w.port, '/get', { cookie })).body).toBe('2');
      await w.manager.end(first.body as Parameters<typeof w.manager.end>[0], { name: 'admin' });
      expect(await ended).toMatch(/^HTTP\/1.1 101 [\s\S]*over$/);
    },
  },
];
