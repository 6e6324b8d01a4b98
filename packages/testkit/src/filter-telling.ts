import assert from 'node:assert/strict';
import { type FilterCase, KEPT } from './filter-kit.js';
import { type Client, FilterRig } from './filter-rig.js';

const SECRET = 'c0nfidential';

/** Requests as a session sends them: answered, kept, cut, given up. Returns nothing that would hold one of them. */
export async function useWell(rig: FilterRig, client: Client): Promise<void> {
  rig.origin = ({ request, response }) => {
    response.writeHead(200, KEPT);
    if (request.url === '/cut') response.write('part', () => response.destroy());
    else if (request.url === '/given-up') response.write('part');
    else response.end('whole');
  };
  for (const path of ['/', '/a', '/a']) await rig.send(client, path);
  await rig.send(client, '/a', { method: 'POST', body: 'x' });
  await rig.send(client, '/cut').catch(() => undefined);
  const wire = rig.begin(client, 'GET /given-up HTTP/1.1');
  await wire.sees('part');
  wire.socket.destroy();
  await rig.quiet();
}

export const tellingCases: readonly FilterCase[] = [
  {
    name: 'it has a type, and tells of itself in JSON, before it was used and after',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        assert.match(rig.filter.type, /\S/);
        const check = () => {
          if (rig.filter.diagnostics === undefined) return;
          const told = rig.filter.diagnostics();
          assert.equal(Object.prototype.toString.call(told), '[object Object]');
          assert.deepEqual(JSON.parse(JSON.stringify(told)), told);
        };
        check();
        await useWell(rig, await rig.client());
        check();
      }),
  },
  {
    name: 'neither logs nor diagnostics say anything of tokens, queries, fields and bodies',
    run: (kit) =>
      FilterRig.use(kit, async (rig) => {
        const client = await rig.client();
        const secrets = {
          headers: { Authorization: `Bearer ${SECRET}`, Cookie: `a=${SECRET}`, 'X-Own': SECRET },
          body: SECRET,
        };
        rig.origin = ({ request, response }) => {
          if (request.url?.startsWith('/fault')) throw new Error('of the origin');
          response.writeHead(200, { ...KEPT, 'Set-Cookie': `a=${SECRET}`, 'X-Own': SECRET });
          response.write(SECRET);
          if (request.url?.startsWith('/cut')) response.destroy();
          else response.end();
        };
        for (const path of ['/', '/fault', '/cut']) {
          for (const method of ['GET', 'POST']) {
            await rig.send(client, `${path}?token=${SECRET}`, { method, ...secrets }).catch(() => undefined);
          }
        }
        await rig.send(client, `/?token=${SECRET}`);
        await rig.quiet();
        const { environment, filter, watched } = rig;
        const told = JSON.stringify([environment.entries, watched.logged, filter.diagnostics?.() ?? {}]);
        const [, secret = ''] = client.token.split('.');
        for (const each of [SECRET, secret]) assert.ok(!told.includes(each), `it tells a secret: ${told}`);
      }),
  },
];
