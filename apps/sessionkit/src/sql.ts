import { sqlOf } from '@sessionkit/compose';
import { loadConfig } from './config-file.js';

/** `sessionkit sql`. Answers the exit code. */
export async function printSql(file: string | undefined): Promise<number> {
  const config = await loadConfig(file);
  if (config === undefined) return 1;
  const texts = sqlOf(config);
  if (texts.length === 0) process.stderr.write('no backend of this configuration needs any SQL\n');
  else process.stdout.write(`${texts.join('\n')}\n`);
  return 0;
}
