import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compose, formatProblems } from '../src/index.js';
import { adminSchema, fileSchema, listenerSchema, serverSchema, sessionSchema } from '../src/schema.js';
import { home, read } from './reading.js';

const text = readFileSync(join(home, '..', 'README.md'), 'utf8');
const block = (language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map(([, body = '']) => body);

describe('the README', () => {
  it('has an example of everything that is taken without a warning and runs', async () => {
    const { config, error, warnings } = await read('everything.yaml', block('yaml')[0]);
    if (config === undefined) throw error;
    expect(formatProblems('', warnings)).toBe(formatProblems('', []));
    const composition = await compose(config);
    expect([...composition.services.values()].every(({ router }) => router !== undefined)).toBe(true);
    await composition.close();
  });

  it('names every key in its example', () => {
    const schemas = [fileSchema, sessionSchema, serverSchema, listenerSchema, adminSchema];
    const keys = schemas.flatMap((schema) => Object.keys(schema.shape));
    const [example = ''] = block('yaml');
    for (const key of keys) if (key !== 'resources') expect(example, key).toMatch(new RegExp(`\\b${key}:`));
  });
});
