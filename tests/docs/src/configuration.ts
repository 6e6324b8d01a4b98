import { join } from 'node:path';
import { readConfig } from '@sessionkit/compose';
import { parse, stringify } from 'yaml';

type Section = Readonly<Record<string, unknown>>;

/** What a fragment leaves to the rest of its file. */
const REST: Section = {
  session: { transport: { type: 'cookie' }, backend: { type: 'memory' } },
  servers: { server1: { url: 'http://127.0.0.1:9001' } },
  services: { shop: {} },
};

/**
 * Checks a configuration, or the fragment of one, as `sessionkit check` does.
 *
 * @param folder From where its modules are looked for.
 * @throws Error with what it complains of.
 */
export async function checkConfiguration(
  text: string,
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const given = parse(text) as Section;
  const whole = Object.hasOwn(given, 'listeners') ? text : stringify({ ...REST, ...given });
  // What the reader has in the environment.
  const names = [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name);
  const variables = Object.fromEntries(
    names.map((name) => [name, env[name] ?? 'a-value-of-the-environment']),
  );
  const file = join(folder, 'sessionkit.yaml');
  const { error } = await readConfig(
    { file, text: whole },
    { variables, conditions: ['@sessionkit/source'] },
  );
  if (error !== undefined) throw new Error(error.message.replaceAll(`${folder}/`, ''));
}
