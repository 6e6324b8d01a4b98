import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ConfigSource, compose, formatProblems, readConfig } from '../src/index.js';
import { adminSchema, fileSchema, listenerSchema, serverSchema, sessionSchema } from '../src/schema.js';
import { conditions, home, read } from './reading.js';

const text = readFileSync(join(home, '..', 'README.md'), 'utf8');
const block = (language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map(([, body = '']) => body);

describe('the README', () => {
  it('shows what its example prints', async () => {
    const [program = ''] = block('js');
    const [, ...lines] = program.split('\n');
    const printed: unknown[] = [];
    const AsyncFunction = (async () => undefined).constructor as new (
      ...parts: string[]
    ) => (...values: unknown[]) => Promise<void>;
    // The file of the example stands beside this test, where the modules are found.
    const beside = (source: ConfigSource) =>
      readConfig({ ...source, file: join(home, source.file) }, { conditions });
    await new AsyncFunction('compose', 'readConfig', 'console', lines.join('\n'))(compose, beside, {
      log: (...values: unknown[]) => printed.push(values.join(' ')),
    });
    expect(`${printed.join('\n').replaceAll(`${home}/`, '')}\n`).toBe(block('text')[0]);
  });

  it('has an example of everything that is taken without a warning and runs', async () => {
    const { config, error, warnings } = await read('everything.yaml', block('yaml')[0]);
    if (config === undefined) throw error;
    expect(formatProblems('', warnings)).toBe(formatProblems('', []));
    const composition = await compose(config);
    expect([...composition.services.values()].every(({ router }) => router !== undefined)).toBe(true);
    await composition.close();
  });

  it('names every key, in the example and in the tables', () => {
    const schemas = [fileSchema, sessionSchema, serverSchema, listenerSchema, adminSchema];
    const keys = schemas.flatMap((schema) => Object.keys(schema.shape));
    const [example = ''] = block('yaml');
    const tables = text.split('## Options')[1] ?? '';
    for (const key of keys) {
      if (key !== 'resources') expect(example, key).toMatch(new RegExp(`\\b${key}:`));
      expect(tables, key).toMatch(new RegExp(`\`(\\{ (\\w+, )*)?${key}\\b`));
    }
  });

  it('has the headings that every package has', () => {
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual([
      'Use',
      'YAML',
      'Options',
      'Behaviour',
      'Not here yet',
    ]);
  });
});
