import { describe, expect, it } from 'vitest';
import { alter, end, list, show } from '../src/sessions/index.js';
import { capture, startApi, startFake, target } from './sessions-help.js';

const GONE = 's01k6y3v9qxm2r8t4w7z5b1c0d3';

describe('sessions list', () => {
  it('is a table, by id, its columns aligned', async () => {
    const { url, begin } = await startApi();
    const one = await begin({ user: 'alice' });
    const two = await begin({ service: 'blog', user: 'a much longer name', ip: '2001:db8::1' });
    const three = await begin();
    const { code, stdout, stderr } = await capture(() => list(target(url)));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const rows = stdout.trimEnd().split('\n');
    expect(rows[0]).toMatch(/^ID {27}USER {16}SERVICE {2}REMOTE {7}CONNECTED {13}IDLE {2,}STATE$/);
    const byId = new Map(rows.slice(1).map((row) => [row.slice(0, 27), row]));
    expect([...byId.keys()]).toEqual([one, two, three].sort());
    expect(byId.get(one)).toMatch(
      /^\S{27} {2}alice {15}shop {5}192\.0\.2\.7 {4}\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}[\d.]+ s +Session started$/,
    );
    expect(byId.get(two)).toContain('  a much longer name  blog     2001:db8::1  ');
    expect(byId.get(three)).toContain('  -                   shop  ');
  });

  it('of no sessions says so, where it does not stand in the way', async () => {
    const { url } = await startApi();
    expect(await capture(() => list(target(url)))).toEqual({ code: 0, stdout: '', stderr: 'no sessions\n' });
    expect(await capture(() => list(target(url, { json: true })))).toEqual({
      code: 0,
      stdout: '[]\n',
      stderr: '',
    });
  });

  it('has those of a user, of a service, and those that fit a filter', async () => {
    const { url, begin } = await startApi();
    const one = await begin({ user: 'al"i\\ce & co' });
    const two = await begin({ service: 'blog', user: 'bob' });
    const ids = async (options: object) => {
      const { code, stdout } = await capture(() => list({ ...target(url, { json: true }), ...options }));
      expect(code).toBe(0);
      return (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id);
    };
    expect(await ids({ user: 'al"i\\ce & co' })).toEqual([one]);
    expect(await ids({ user: 'bob' })).toEqual([two]);
    expect(await ids({ user: 'al' })).toEqual([]);
    expect(await ids({ service: 'blog' })).toEqual([two]);
    expect(await ids({ service: 'shop', user: 'bob' })).toEqual([]);
    expect(await ids({ filter: '/attributes/user=ne("bob")' })).toEqual([one]);
    expect(await ids({ filter: '/attributes/idle=gt(1000)' })).toEqual([]);
    expect(await ids({ user: 'bob', service: 'blog', filter: '/attributes/remote="192.0.2.7"' })).toEqual([
      two,
    ]);
  });

  it('as JSON is one array of what the API shows', async () => {
    const { url, begin } = await startApi();
    await begin({ user: 'alice' });
    await begin();
    const { stdout } = await capture(() => list(target(url, { json: true })));
    const rows = JSON.parse(stdout) as { attributes: object; relationships: object; type: string }[];
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({
      type: 'sessions',
      attributes: { client: { connection_attributes: { user_agent: 'curl/8.5.0' } }, port: 43_050 },
      relationships: { services: { data: [{ id: 'shop' }] } },
    });
    expect(stdout.split('\n')).toHaveLength(5);
  });

  it('goes through all pages, and asks for no member that it does not show', async () => {
    const { url, begin, asked } = await startApi();
    const ids: string[] = [];
    for (let i = 0; i < 1_203; i++) ids.push(await begin());
    const { stdout } = await capture(() => list(target(url)));
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((row) => row.slice(0, 27)),
    ).toEqual(ids.sort());
    const fields = 'fields[sessions]=connected,idle,remote,services,state,user';
    expect(asked).toEqual(
      [`s${'0'.repeat(26)}`, ids[499], ids[999]].map(
        (after) => `GET ?${fields}&page[size]=500&page[after]=${after}&pretty=false`,
      ),
    );
  });

  it('shows names of hosts', async () => {
    const { url, begin } = await startApi();
    await begin();
    const { stdout } = await capture(() => list({ ...target(url), rdns: true }));
    expect(stdout).toContain('  office.example  ');
  });

  it('lets no name move the cursor or begin a line', async () => {
    const name = 'x\u001b[2J\r\n\u202etxt.exe\u0000\u2028y';
    const row = {
      id: 's1',
      type: 'sessions',
      attributes: { user: name, remote: name, state: name, connected: name, client: { [name]: name } },
      relationships: { services: { data: [{ id: name }] } },
    };
    const url = await startFake((request, response) =>
      response.end(
        JSON.stringify({ data: request.url?.includes('?') && request.url.includes('page') ? [row] : row }),
      ),
    );
    const shown = 'x\\u{1b}[2J\\u{d}\\u{a}\\u{202e}txt.exe\\u{0}\\u{2028}y';
    const table = await capture(() => list(target(url)));
    expect(table.stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(table.stdout.split(shown)).toHaveLength(6);
    const sheet = await capture(() => show(['s1'], target(url)));
    expect(sheet.stdout).toContain(`client.${shown}`);
    for (const char of ['\u001b', '\r', '\u202e', '\u0000', '\u2028'])
      expect(table.stdout + sheet.stdout).not.toContain(char);
  });
});

describe('sessions show', () => {
  it('shows all that is known, a value a line', async () => {
    const { url, begin } = await startApi();
    const id = await begin({ user: 'alice' });
    const { code, stdout } = await capture(() => show([id], target(url)));
    expect(code).toBe(0);
    const values = new Map(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => {
          const [name = ''] = line.split(/ {2,}/);
          return [name, line.slice(name.length).trim()];
        }),
    );
    expect(values.get('id')).toBe(id);
    expect(values.get('services')).toBe('shop');
    expect(values.get('user')).toBe('alice');
    expect(values.get('client.connection_attributes.user_agent')).toBe('curl/8.5.0');
    expect(values.get('parameters.log_info')).toBe('false');
    expect(values.get('queries')).toBe('-');
    expect(values.get('data.keys.0')).toBe('cart');
    expect(values.get('port')).toBe('43050');
  });

  it('shows several, and tells which are not there', async () => {
    const { url, begin } = await startApi();
    const [one, two] = [await begin(), await begin()];
    const { code, stdout, stderr } = await capture(() => show([one, GONE, two, one], target(url)));
    expect(code).toBe(1);
    expect(stdout.match(/^id +\S+$/gm)).toEqual([expect.stringContaining(one), expect.stringContaining(two)]);
    expect(stdout).toContain('\n\nid ');
    expect(stderr).toBe(`error: ${GONE}: There is no living session ${GONE}.\n`);
  });

  it('as JSON is an array, of none too', async () => {
    const { url, begin } = await startApi();
    const id = await begin();
    const found = await capture(() => show([id, GONE], target(url, { json: true })));
    expect((JSON.parse(found.stdout) as { id: string }[]).map((one) => one.id)).toEqual([id]);
    expect(found.code).toBe(1);
    const none = await capture(() => show([GONE], target(url, { json: true })));
    expect([none.code, none.stdout]).toEqual([1, '[]\n']);
  });

  it('shows the name of the host', async () => {
    const { url, begin } = await startApi();
    const id = await begin();
    const { stdout } = await capture(() => show([id], { ...target(url), rdns: true }));
    expect(stdout).toMatch(/^remote +office\.example$/m);
  });
});

describe('sessions end', () => {
  it('ends several; one that fails is told, and the others end all the same', async () => {
    const { url, begin, manager } = await startApi();
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) ids.push(await begin());
    const { code, stdout, stderr } = await capture(() =>
      end([...ids.slice(0, 3), GONE, '../users', ...ids.slice(3)], target(url)),
    );
    expect(code).toBe(1);
    expect(stdout).toBe(ids.map((id) => `ended ${id}\n`).join(''));
    expect(stderr).toBe(
      `error: ${GONE}: There is no living session ${GONE}.\nerror: ../users is not a session id\n`,
    );
    expect((await manager.list()).items).toEqual([]);
  });

  it('ends within a time', async () => {
    const { url, begin, manager } = await startApi();
    const id = await begin();
    const { code, stdout } = await capture(() => end([id], { ...target(url), ttl: 300 }));
    expect([code, stdout]).toEqual([0, `ends within 300 s: ${id}\n`]);
    expect((await manager.get(id))?.killAt).toBeGreaterThan(Date.now() + 200_000);
  });

  it('as JSON tells of each', async () => {
    const { url, begin } = await startApi();
    const id = await begin();
    const { code, stdout } = await capture(() => end([GONE, id], target(url, { json: true })));
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual([
      { id: GONE, ok: false, error: `There is no living session ${GONE}.`, status: 404 },
      { id, ok: true },
    ]);
  });

  it('by a user who may only read is refused, in words', async () => {
    const { url, begin, manager } = await startApi();
    const id = await begin();
    const { code, stderr } = await capture(() => end([id], target(url, { userName: 'watcher' })));
    expect(code).toBe(1);
    expect(stderr).toBe(
      `error: ${id}: ${url} refuses the user watcher with the password from SESSIONKIT_ADMIN_PASSWORD, or watcher may only read\n`,
    );
    expect(await manager.get(id)).toBeDefined();
  });
});

describe('sessions alter', () => {
  it('sets log levels, and the others stay', async () => {
    const { url, begin, manager } = await startApi();
    const [one, two] = [await begin(), await begin()];
    const options = { ...target(url), set: { log_info: true, log_error: false } };
    const { code, stdout } = await capture(() => alter([one, two], options));
    expect([code, stdout]).toEqual([0, `altered ${one}\naltered ${two}\n`]);
    for (const id of [one, two])
      expect((await manager.get(id))?.parameters).toEqual({ log_info: true, log_error: false });
  });

  it('tells why filters cannot be set', async () => {
    const { url, begin } = await startApi();
    const id = await begin();
    const { code, stderr } = await capture(() =>
      alter([id], { ...target(url), filters: ['no-such-filter'] }),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: \S+: .*[Nn]ot a valid filter.* \(400 Bad Request\)\n$/);
  });

  it('sends filters in their order', async () => {
    let body = '';
    const url = await startFake((request, response) => {
      request.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => response.writeHead(204).end());
    });
    const { code } = await capture(() => alter(['s1'], { ...target(url), filters: ['b', 'a'] }));
    expect(code).toBe(0);
    expect(JSON.parse(body)).toEqual({
      data: {
        type: 'sessions',
        relationships: {
          filters: {
            data: [
              { id: 'b', type: 'filters' },
              { id: 'a', type: 'filters' },
            ],
          },
        },
      },
    });
  });
});
