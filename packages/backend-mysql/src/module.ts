import { type BackendModule, CONTRACT_VERSION, SessionError } from '@sessionkit/session-core';
import { z } from 'zod';
import { ddl } from './ddl.js';
import { mysql } from './index.js';
import { COLUMNS, type Column, clashOf, DEFAULT_TABLE, nameFault, namesOf } from './options.js';
import type { MysqlPool } from './pool.js';

const name = z.string().superRefine((text, context) => {
  const message = nameFault(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});
const FIELDS = (Object.keys(COLUMNS) as Column[]).filter((column) => column !== 'sid');
const yamlName = (column: Column) => column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const fields = Object.fromEntries(
  FIELDS.map((column) => [
    yamlName(column),
    name.optional().meta({
      description: `${COLUMNS[column].holds} (\`${COLUMNS[column].type}\`)`,
      default: COLUMNS[column].name,
    }),
  ]),
);

const config = z
  .strictObject({
    type: z.literal('mysql'),
    resource: z.string().min(1).describe('Name of a resource of class `mysql`'),
    database: name.optional().describe('Database of the tables. Default: that of the connection'),
    table: name
      .default(DEFAULT_TABLE)
      .describe(
        'Table of the sessions; `TABLE_journal`, `TABLE_claims` and `TABLE_presence` stand beside it',
      ),
    sid_field: name.default(COLUMNS.sid.name).describe(`Column of the session id (\`${COLUMNS.sid.type}\`)`),
    fields: z.strictObject(fields).default({}).describe('Names of the other columns'),
    create_table: z.boolean().default(false).describe('Creates tables and indexes that are not there'),
    write_within: z
      .number()
      .positive()
      .max(3_600)
      .optional()
      .describe(
        'Seconds after it was asked for within which a write may still be done. Default: `store_deadline`',
      ),
  })
  .superRefine((section, context) => {
    const clash = clashOf(namesOf(chosen(section)));
    if (clash !== undefined) context.addIssue({ code: 'custom', path: ['fields'], message: clash });
  });

type Config = z.infer<typeof config>;

function chosen({
  sid_field,
  fields,
}: Pick<Config, 'sid_field' | 'fields'>): Partial<Record<Column, string>> {
  const given = fields as Readonly<Record<string, string | undefined>>;
  const named = FIELDS.flatMap((column) => {
    const value = given[yamlName(column)];
    return value === undefined ? [] : [[column, value] as const];
  });
  return { ...Object.fromEntries(named), sid: sid_field };
}

const module: BackendModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'backend',
  type: 'mysql',
  resourceClass: 'mysql',
  abilities: ['inspect', 'sweep', 'slots', 'journal', 'presence'],
  config,
  sql: (section) => ddl({ database: section.database, table: section.table, names: chosen(section) }),
  async create(section, { environment, path, deadline, resource }) {
    const pool = resource(section.resource) as MysqlPool;
    const backend = mysql(pool, {
      database: section.database,
      table: section.table,
      names: chosen(section),
      createTable: section.create_table,
      writeWithin: section.write_within === undefined ? deadline : Math.ceil(section.write_within * 1_000),
    });
    try {
      await backend.check();
    } catch (error) {
      // A server that is away at the moment is no mistake in the file: visits are answered 503 until it is there.
      if (!(error instanceof SessionError) || error.code !== 'BACKEND_DOWN') {
        await backend.close();
        throw error;
      }
      environment.log({ level: 'error', message: `${path}: MySQL does not answer yet`, error });
    }
    return backend;
  },
};

export default module;
