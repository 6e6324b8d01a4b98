import { parseArgs } from 'node:util';
import { type Composition, compose, formatProblems, readConfig } from '@sessionkit/compose';
import { SessionError } from '@sessionkit/session-core';
import { createAdminApi } from './api.js';
import { configuredSystem } from './configured.js';
import { firstUserInFile } from './first-user.js';
import { type AdminServer, serveAdmin } from './serve.js';
import { createUsers, firstUser, type Users } from './users.js';

/** Where the program writes, and what stops it. */
export interface Surroundings {
  /** A line of the access log. */
  out(line: string): void;
  /** A line for people. */
  tell(line: string): void;
  /** Whether `tell` reaches a person and not a log: a password may be shown. */
  readonly terminal: boolean;
  readonly stop: AbortSignal;
  /** Where modules are looked for after the folder of the configuration, such as the `import.meta.url` of the program. */
  readonly home: string;
  /** Export conditions for the modules that the configuration names, as `node --conditions` takes them. */
  readonly conditions?: readonly string[] | undefined;
}

const USAGE = `Usage: admin-api --config FILE

Serves the admin API of the configuration, and nothing else of it, until SIGINT or SIGTERM.

  --config FILE   the configuration of the services whose sessions are operated
  --help          this text
`;

/** The admin API alone, beside services that run in other processes on a shared store. Answers the exit code. */
export async function main(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let file: string | undefined;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { config: { type: 'string' }, help: { type: 'boolean' } },
    });
    if (values.help) {
      surroundings.tell(USAGE);
      return 0;
    }
    file = values.config;
  } catch (error) {
    surroundings.tell(`${(error as Error).message}\n\n${USAGE}`);
    return 1;
  }
  if (file === undefined) {
    surroundings.tell(`--config is missing\n\n${USAGE}`);
    return 1;
  }
  try {
    return await run(file, surroundings);
  } catch (error) {
    // What is ours to tell has a message that says how to mend it; anything else is a mistake, with its stack.
    surroundings.tell(
      error instanceof SessionError ? error.message : String((error as Error).stack ?? error),
    );
    return 1;
  }
}

async function run(file: string, surroundings: Surroundings): Promise<number> {
  const reading = await readConfig(file, {
    resolveFrom: surroundings.home,
    conditions: surroundings.conditions,
  });
  if (reading.warnings.length > 0) surroundings.tell(formatProblems(file, reading.warnings, 'warning'));
  if (reading.error !== undefined) throw reading.error;
  const { admin, drainTimeout } = reading.config;
  if (admin === undefined) {
    throw new SessionError(
      'CONFIG_INVALID',
      `${file}: admin is false, so there is nothing to serve. Give it a listen address.`,
    );
  }

  const users = createUsers({ file: admin.usersFile });
  const composition = await compose(reading.config);
  let server: AdminServer | undefined;
  try {
    warnOfUnshared(composition, surroundings);
    const api = createAdminApi({
      manager: composition.manager,
      system: configuredSystem(reading.config),
      users,
      hosts: admin.hosts,
      basicSeesActivity: admin.basicSeesActivity,
      showData: admin.showData,
      access: ({ at, ...entry }) =>
        surroundings.out(JSON.stringify({ time: new Date(at).toISOString(), ...entry })),
    });
    server = await serveAdmin({ api, ...admin });
    await makeFirstUser(users, surroundings);
    surroundings.tell(`listening: admin ${server.url}`);
    await aborted(surroundings.stop);
    return (await server.close(drainTimeout)) ? 0 : 1;
  } finally {
    await server?.close(0);
    await composition.close();
  }
}

/** Sessions that live in the memory of another process cannot be seen from here. */
function warnOfUnshared({ manager }: Composition, { tell }: Surroundings): void {
  for (const { name, options } of manager.services.values()) {
    if (options.backend === undefined || options.backend.traits.shared) continue;
    tell(
      `warning: the sessions of service ${name} are in a ${options.backend.type} backend, which only the process that serves them can see: none of them will be shown. Use a shared store, or the admin API inside that process.`,
    );
  }
}

/** A random password is shown on a terminal, or else put into a file: a log would keep it for everybody. */
async function makeFirstUser(users: Users, { tell, terminal }: Surroundings): Promise<void> {
  const present = await users.list();
  if (present.some(({ account }) => account === 'admin')) return;
  if (present.some(({ name }) => name === 'admin'))
    return tell('warning: no user is an admin, so that nobody can change anything');
  if (terminal || process.env.SESSIONKIT_ADMIN_PASSWORD) {
    const first = await firstUser(users);
    if (first === undefined) return;
    const password =
      first.password === undefined ? 'with the given password' : `shown this once: ${first.password}`;
    return tell(`made the admin user ${first.name}, ${password}`);
  }
  const first = await firstUserInFile(users);
  if (first === undefined) return;
  tell(`made the admin user ${first.name}; its password is in ${first.file}, which may be deleted`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
