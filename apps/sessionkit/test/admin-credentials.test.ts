import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAdminApi, createUsers } from '@sessionkit/admin-api';
import { createSessionManager, processEnvironment as environment } from '@sessionkit/session-core';
import { expect, onTestFinished, test } from 'vitest';
import { AdminCredentials } from '../src/admin-credentials.js';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

test('credentials of the admin API are its tokens, and Basic ones that name a user of it; no others', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sessionkit-credentials-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const users = createUsers({ file: join(folder, 'users.json'), cost: { ln: 4, r: 1, p: 1 }, environment });
  await users.add('ann', 'open sesame', 'admin');
  await users.add('zo\u00eb', 'open sesame', 'basic');
  const manager = createSessionManager({ environment });
  onTestFinished(() => manager.close());
  const api = createAdminApi({ manager, users, environment });
  const headers = { authorization: basic('ann:open sesame') };
  const answer = await api.fetch(new Request('https://localhost/v1/auth', { headers }));
  const { meta } = (await answer.json()) as { meta: { token: string } };

  const credentials = new AdminCredentials(users, environment);
  await credentials.refresh();
  for (const [value, ours] of [
    [`Bearer ${meta.token}`, true],
    [basic('ann:open sesame'), true],
    [basic('ann:a slip'), true],
    [basic('zo\u00eb:open sesame'), true],
    [basic('zoe\u0308:open sesame'), true],
    [basic('bob:open sesame'), false],
    ['Bearer s01k6y3v9qxm2r8t4w7z5b1c0d3.secret', false],
    [`Bearer a.${Buffer.from('{"iss":"https://id.example"}').toString('base64url')}.c`, false],
  ] as const)
    expect([value, credentials.include(value)]).toEqual([value, ours]);
});
