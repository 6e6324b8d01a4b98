// Services that have their sessions themselves, without a gateway: `session.signal`, in a process that does not end the session.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATOR, PASSWORD, Program, until } from './app.js';
import { cookieOf, idOf, send } from './client.js';
import { adminApi, listening, project } from './fleet.js';
import { SHARED_STORES, type SharedStore } from './shared-store.js';

const embedded = join(import.meta.dirname, 'modules', 'embedded.mjs');
/** One store in a short run: how each tells of ends is looked at in `endings.test.ts`. */
const STORES = Object.entries(SHARED_STORES).slice(0, process.env.SESSIONKIT_LONG === '1' ? undefined : 1);
const TIMES = { duration: 60, idle_timeout: 3 };

describe.each(STORES)('session.signal of a service that is embedded, on %s', (_name, startStore) => {
  let store: SharedStore;
  let services: readonly [string, string];
  let admin: string;
  const programs: Program[] = [];

  beforeAll(async () => {
    store = await startStore();
    const cwd = project();
    const yaml = `
session: { transport: { type: cookie }, backend: ${store.backend}, duration: ${TIMES.duration}, idle_timeout: ${TIMES.idle_timeout} }
resources: { store: ${store.resource} }
services: { shop: {} }
`;
    writeFileSync(join(cwd, 'service.yaml'), yaml);
    writeFileSync(join(cwd, 'admin.yaml'), `${yaml}admin: { listen: "127.0.0.1:0" }\n`);
    const serve = () => new Program(['service.yaml'], { cwd, script: embedded });
    const env = { SESSIONKIT_ADMIN_PASSWORD: PASSWORD };
    programs.push(serve(), serve(), new Program(['--config', 'admin.yaml'], { cwd, env, script: adminApi }));
    const [one, two, operated] = programs as [Program, Program, Program];
    services = await Promise.all([listening(one, 'public'), listening(two, 'public')]);
    admin = await listening(operated, 'admin');
    await send(`${admin}/v1/`, { headers: OPERATOR });
  });

  afterAll(async () => {
    for (const program of programs) await program.stop('SIGKILL');
    await store.stop();
  });

  /** A session that both services wait for. */
  async function waited() {
    const login = await send(`${services[0]}/login`);
    const headers = { cookie: cookieOf(login) };
    const waiting = services.map((url) => send(`${url}/wait`, { headers }));
    const id = idOf(headers.cookie);
    // Who waits holds the session, which each service tells the store.
    await until('both services to wait', async () => {
      const { body } = await send(`${admin}/v1/sessions/${id}`, { headers: OPERATOR });
      return body.includes('"thread"');
    });
    return { headers, id, waiting };
  }

  const told = async (waiting: readonly Promise<{ readonly body: string }>[]) =>
    (await Promise.all(waiting)).map(({ body }) => body);

  it('aborts when an operator ends the session in another process', async () => {
    const { id, waiting } = await waited();
    const ended = await send(`${admin}/v1/sessions/${id}`, { method: 'DELETE', headers: OPERATOR });
    expect(ended.status).toBe(204);
    expect(await told(waiting)).toEqual(Array(2).fill('waiting SessionEnded killed'));
  });

  it.each([
    ['out of', '/logout', 'logout'],
    ['into', '/login', 'replaced'],
  ])('aborts when its user logs %s it, in the other process too', async (_how, path, cause) => {
    const { headers, waiting } = await waited();
    expect((await send(services[1] + path, { headers })).body).toBe('done');
    expect(await told(waiting)).toEqual(Array(2).fill(`waiting SessionEnded ${cause}`));
  });

  it('aborts when the session runs out', async () => {
    const { waiting } = await waited();
    expect(await told(waiting)).toEqual(Array(2).fill('waiting SessionEnded idle'));
  });
});
