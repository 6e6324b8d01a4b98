import { statSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { print, printError } from './print.js';
import { addSessionCommands } from './sessions/options.js';
import { version } from './version.js';

/** Wrong options or commands, as opposed to something that went wrong. */
const USAGE = 2;

const config = () => new Option('-c, --config <file>', 'the configuration (default: ./sessionkit.yaml)');

/** Each command loads what it needs, and no more. */
const commands = {
  serve: async (file: string | undefined) => (await import('./serve.js')).serve(file),
  check: async (file: string | undefined) => (await import('./check.js')).check(file),
  schema: async () => (await import('./schema.js')).printSchema(),
  sql: async (file: string | undefined) => (await import('./sql.js')).printSql(file),
  sessions: () => import('./sessions/index.js'),
  user: () => import('./user.js'),
};

function createProgram(done: (code: number) => void): Command {
  const program = new Command('sessionkit')
    .description('Sessions in front of any HTTP service, seen and ended by an operator.')
    .version(version, '-V, --version')
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      '\nWithout a command it serves. Exit codes: 0 it went well, 1 it did not, 2 the command line is wrong.',
    );

  program
    .command('serve')
    .description('serve a configuration until SIGTERM or SIGINT (the default command)')
    .addOption(config())
    .action(async ({ config }: { config?: string }) => done(await commands.serve(config)));

  program
    .command('check')
    .description('check a configuration and start nothing')
    .addOption(config())
    .action(async ({ config }: { config?: string }) => done(await commands.check(config)));

  program
    .command('schema')
    .description('print the JSON Schema of the configuration, for editors')
    .action(async () => done(await commands.schema()));

  program
    .command('sql')
    .description('print the statements that create the tables of a configuration')
    .addOption(config())
    .action(async ({ config }: { config?: string }) => done(await commands.sql(config)));

  addSessionCommands(program, commands.sessions, done);
  addUserCommands(program, done);
  return program;
}

function addUserCommands(program: Command, done: (code: number) => void): void {
  const user = program.command('user').description('the users of the admin API');
  const file = () =>
    new Option('--users-file <file>', 'the users file itself, without a configuration').conflicts('config');
  const generate = () => new Option('--generate', 'make a random password and print it');

  user
    .command('add <name>')
    .description('add a user; the password is asked for, or read as one line from stdin')
    .addOption(
      new Option('--role <role>', 'what the user may do').choices(['admin', 'basic']).default('basic'),
    )
    .addOption(generate())
    .addOption(config())
    .addOption(file())
    .action(async (name: string, options) => done(await (await commands.user()).addUser(name, options)));

  user
    .command('passwd <name>')
    .description("change a user's password")
    .addOption(generate())
    .addOption(config())
    .addOption(file())
    .action(async (name: string, options) =>
      done(await (await commands.user()).changePassword(name, options)),
    );

  user
    .command('list')
    .description('list the users with their roles')
    .addOption(config())
    .addOption(file())
    .action(async (options) => done(await (await commands.user()).listUsers(options)));

  user
    .command('remove <name>')
    .description('remove a user')
    .addOption(config())
    .addOption(file())
    .action(async (name: string, options) => done(await (await commands.user()).removeUser(name, options)));
}

/** Without a command it serves; a word that is no command is a mistake. */
function withDefault(args: readonly string[]): readonly string[] {
  const [first] = args;
  const own = ['-h', '--help', '-V', '--version'];
  return first === undefined || (first.startsWith('-') && !own.includes(first)) ? ['serve', ...args] : args;
}

/** For who names the file without its option. */
function hintOf({ code }: CommanderError, [first = '']: readonly string[]): string | undefined {
  const by = 'name the configuration by --config: sessionkit';
  if (code === 'commander.excessArguments' && ['serve', 'check', 'sql', 'reload'].includes(first))
    return `${by} ${first} --config FILE`;
  const isFile = statSync(first, { throwIfNoEntry: false })?.isFile() === true;
  return code === 'commander.unknownCommand' && isFile ? `${by} serve --config ${first}` : undefined;
}

async function main(): Promise<number> {
  // A reader that goes away, as in `sessionkit schema | head -1`, is no mistake of ours.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  let code = 0;
  const program = createProgram((result) => {
    code = result;
  });
  const args = withDefault(process.argv.slice(2));
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      const hint = hintOf(error, args);
      if (hint !== undefined) print(hint);
      return error.exitCode === 0 ? 0 : USAGE;
    }
    printError(error);
    return 1;
  }
}

process.exitCode = await main();
