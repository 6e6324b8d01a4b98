import { LOG_PARAMETERS, type LogParameter } from '@sessionkit/session-core';
import { type Command, InvalidArgumentError, Option } from 'commander';

/** Where the admin API is, and as whom it is asked. */
export interface TargetOptions {
  readonly config?: string | undefined;
  readonly url?: string | undefined;
  readonly userName?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly insecure?: boolean | undefined;
  /** Seconds without a byte. */
  readonly timeout: number;
  readonly json?: boolean | undefined;
}

export interface ListOptions extends TargetOptions {
  readonly user?: string | undefined;
  readonly service?: string | undefined;
  readonly filter?: string | undefined;
  readonly rdns?: boolean | undefined;
}

export interface ShowOptions extends TargetOptions {
  readonly rdns?: boolean | undefined;
}

export interface EndOptions extends TargetOptions {
  /** Seconds. */
  readonly ttl?: number | undefined;
}

export interface AlterOptions extends TargetOptions {
  readonly set?: Readonly<Partial<Record<LogParameter, boolean>>> | undefined;
  readonly filters?: readonly string[] | undefined;
}

const DEFAULT_TIMEOUT = 30;

const CREDENTIALS = `
The API is found by --url, else by SESSIONKIT_ADMIN_URL, else by the configuration, else it is http://127.0.0.1:8989.
The user is --user-name, else SESSIONKIT_ADMIN_USER, else admin. The password is that of SESSIONKIT_ADMIN_PASSWORD, else the
first line of --password-file (mode 0600; "-" is stdin), else that of the first start beside the users file, else it is asked for.`;

/** What `sessionkit sessions` does, loaded when it is asked for. */
export interface SessionVerbs {
  list(options: ListOptions): Promise<number>;
  show(ids: readonly string[], options: ShowOptions): Promise<number>;
  end(ids: readonly string[], options: EndOptions): Promise<number>;
  alter(ids: readonly string[], options: AlterOptions): Promise<number>;
  reload(options: TargetOptions): Promise<number>;
}

/** Adds `reload`, and `sessions list|show|end|alter`, with their options. */
export function addSessionCommands(
  program: Command,
  load: () => Promise<SessionVerbs>,
  done: (code: number) => void,
): void {
  withTarget(
    program
      .command('reload')
      .description('have a running process read its configuration again; a bad one changes nothing'),
  ).action(async (options: TargetOptions) => done(await (await load()).reload(options)));

  const sessions = program
    .command('sessions')
    .description('list, show, end and alter living sessions over the admin API')
    .addHelpText('after', CREDENTIALS);

  withTarget(sessions.command('list').description('list living sessions, by id'))
    .option('--user <user>', 'only those of this user')
    .option('--service <service>', 'only those of this service')
    .addOption(new Option('--filter <filter>', FILTER).argParser(filter))
    .addOption(rdns())
    .action(async (options: ListOptions) => done(await (await load()).list(options)));

  withTarget(sessions.command('show <id...>').description('show all that is known of sessions'))
    .addOption(rdns())
    .action(async (ids: string[], options: ShowOptions) => done(await (await load()).show(ids, options)));

  withTarget(
    sessions.command('end <id...>').description('end sessions: their clients have to begin new ones'),
  )
    .option('--ttl <seconds>', 'not now, but in so many seconds', seconds)
    .action(async (ids: string[], options: EndOptions) => done(await (await load()).end(ids, options)));

  withTarget(sessions.command('alter <id...>').description('change log levels and filters of sessions'))
    .option('--set <level=true|false>', `${LOG_PARAMETERS.join(', ')}; may be repeated`, level)
    .option('--filters <names>', 'the filters from now on, separated by commas; "" is none', names)
    .action(async (ids: string[], options: AlterOptions, command: Command) => {
      if (options.set === undefined && options.filters === undefined)
        command.error("error: nothing to change: give '--set' or '--filters'");
      done(await (await load()).alter(ids, options));
    });
}

const FILTER =
  "only those that fit, such as '/attributes/idle=gt(600)'; the README of @sessionkit/admin-api has the grammar";

function withTarget(command: Command): Command {
  return command
    .addOption(
      new Option('-c, --config <file>', 'the configuration that says where the API listens').conflicts('url'),
    )
    .option('--url <url>', 'the admin API, such as https://ops.example.com:8989')
    .option('--user-name <name>', 'the user of the admin API')
    .option('--password-file <file>', 'a file that only you can read, with the password in its first line')
    .option('--ca <file>', 'certificates (PEM) to trust, in place of those of the system')
    .option('--cert <file>', 'your certificate (PEM), where the API asks for one')
    .option('--key <file>', 'its private key (PEM)')
    .option('--insecure', 'send the password over http:// beyond this machine')
    .option('--timeout <seconds>', 'how long the API may say nothing', positive, DEFAULT_TIMEOUT)
    .option('--json', 'a JSON array in place of text')
    .addHelpText('after', CREDENTIALS);
}

const rdns = () => new Option('--rdns', 'show host names in place of addresses, where there are any');

function seconds(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number of seconds.');
}

function positive(text: string): number {
  const number = seconds(text);
  if (number > 0) return number;
  throw new InvalidArgumentError('It must be at least 1.');
}

/** What has no `=` the API takes for no filter at all, and would answer with every session. */
function filter(text: string, before: string | undefined): string {
  if (before !== undefined) throw new InvalidArgumentError('--filter can be given once.');
  if (text.includes('=')) return text;
  throw new InvalidArgumentError("It must be a pointer, = and an expression: '/attributes/idle=gt(600)'.");
}

function level(text: string, before: AlterOptions['set']): AlterOptions['set'] {
  const [, name = '', value] = /^(\w+)=(true|false)$/.exec(text) ?? [];
  const known = LOG_PARAMETERS.find((one) => one === name);
  if (known === undefined)
    throw new InvalidArgumentError(`It must be one of ${LOG_PARAMETERS.join(', ')}, with =true or =false.`);
  return { ...before, [known]: value === 'true' };
}

function names(text: string): readonly string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
