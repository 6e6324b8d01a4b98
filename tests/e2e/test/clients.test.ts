import { print } from '@sessionkit/test-stores/run';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, PASSWORD, startUpstream } from './app.js';
import { startGateway } from './clients/context.js';
import { RESOURCE_ROWS } from './clients/resources.js';
import { SESSION_ROWS } from './clients/sessions.js';
import { USER_ROWS } from './clients/users.js';
import { needed, Operator, shownTime } from './operator.js';

const ROWS = [...SESSION_ROWS, ...RESOURCE_ROWS, ...USER_ROWS];
let app: App;
let operator: Operator;
let ok = 0;

beforeAll(async () => {
  app = await startGateway();
  operator = new Operator(app.admin, 'admin', PASSWORD);
});

afterAll(() => {
  operator?.close();
  print(`command-line clients: ${ROWS.length} rows, ${ok} ok`);
});

describe('an unmodified command-line client', () => {
  it.each(ROWS)('%s', async (_command, run) => {
    await run({ app, operator });
    ok++;
  });
});

describe('a client', () => {
  it('would notice what is missing: an API that lacks what clients need fails its rows', async () => {
    const broken = await startUpstream((_request, response) => {
      response.end(
        '{"data":{"id":"s1","attributes":{"connected":"Thu Jul 20 15:20:16 2023","queries":null}}}',
      );
    });
    const client = new Operator(broken, 'admin', 'x');
    await expect(client.list('sessions')).rejects.toThrow();
    await expect(client.write('DELETE', 'sessions/s1?ttl=0')).rejects.toThrow();
    const { data } = await client.get('sessions/s1');
    expect(() => shownTime(data, 'attributes.connected')).toThrow();
    expect(() => needed(data, 'attributes.parameters')).toThrow();
    expect(() => shownTime(data, 'attributes.queries')).toThrow();
    client.close();
  });
});
