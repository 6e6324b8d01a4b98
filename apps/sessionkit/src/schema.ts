import { configSchema } from '@sessionkit/compose';

/** `sessionkit schema`. Answers the exit code. */
export async function printSchema(): Promise<number> {
  const schema = await configSchema({ resolveFrom: import.meta.url });
  process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
  return 0;
}
