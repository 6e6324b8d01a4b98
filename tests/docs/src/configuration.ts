import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

type Section = Readonly<Record<string, unknown>>;

/** What a fragment leaves to the rest of its file. */
const REST: Section = {
  session: { transport: { type: 'cookie' }, backend: { type: 'memory' } },
  servers: { server1: { url: 'http://127.0.0.1:9001' } },
  services: { shop: {} },
};

/**
 * Checks a configuration, or the fragment of one, by `sessionkit check`.
 *
 * @throws Error with what it complains of.
 */
export async function checkConfiguration(
  text: string,
  run: (command: string) => Promise<{ readonly out: string; readonly code: number }>,
  folder: string,
): Promise<void> {
  const given = parse(text) as Section;
  writeFileSync(
    join(folder, 'checked.yaml'),
    stringify(Object.hasOwn(given, 'listeners') ? given : { ...REST, ...given }),
  );
  // What the reader has in the environment.
  const variables = [...text.matchAll(/\$\{(\w+)\}/g)].map(
    ([, name]) => `${name}="\${${name}:-a-value-of-the-environment}" `,
  );
  const { out, code } = await run(`${variables.join('')}sessionkit check --config checked.yaml`);
  if (code !== 0 || !out.includes('OK')) throw new Error(`sessionkit check: ${out}`);
}
