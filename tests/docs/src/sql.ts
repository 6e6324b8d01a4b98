import { createConnection } from 'mysql2/promise';
import pg from 'pg';

/** Runs a query of a document on the store that the document is about. */
export async function query(path: string, text: string, env: NodeJS.ProcessEnv): Promise<void> {
  if (path.includes('postgres')) {
    const client = new pg.Client({ connectionString: env.POSTGRES_URL });
    await client.connect();
    await client.query(text).finally(() => client.end());
  } else if (path.includes('mysql')) {
    const connection = await createConnection(env.MYSQL_URL ?? '');
    await connection.query(text).finally(() => connection.end());
  } else throw new Error('nobody runs a query of this store');
}
