import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { type Block, blocksOf, root } from './blocks.js';
import { checkConfiguration } from './configuration.js';
import { runsElsewhere } from './elsewhere.js';
import { installs } from './packages.js';
import { fits, Shell } from './shell.js';
import { query } from './sql.js';

const home = join(import.meta.dirname, '..');
/** The ports that documents use: each becomes a free one. */
const USUAL_PORTS = ['8080', '8081', '8082', '8989', '9001', '9002', '3000'];

/** What the runner puts around a block that is a part of a program. */
export interface Around {
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

export interface Options {
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Surroundings of blocks that are parts of programs, by a line that they contain. */
  readonly around?: Readonly<Record<string, Around>> | undefined;
}

/** Runs all blocks of a document in their order, in one folder; answers how many there were. */
export async function runDocument(path: string, options: Options = {}, text?: string): Promise<number> {
  const run = await Run.begin(path, options);
  try {
    const blocks = blocksOf(path, text);
    for (let at = 0; at < blocks.length; ) at += await run.next(blocks.slice(at));
    return blocks.length;
  } finally {
    run.close();
  }
}

class Run {
  readonly #local: (text: string) => string;
  readonly #usual: (text: string) => string;
  readonly #shell: Shell;
  readonly #around: Readonly<Record<string, Around>>;

  private constructor(
    private readonly folder: string,
    ports: ReadonlyMap<string, string>,
    private readonly env: NodeJS.ProcessEnv,
    { around = {} }: Options,
  ) {
    this.#around = around;
    const replace = (map: ReadonlyMap<string, string>) => (text: string) =>
      text.replace(/\b\d{4,5}\b/g, (number) => map.get(number) ?? number);
    this.#local = replace(ports);
    this.#usual = replace(new Map([...ports].map(([usual, free]) => [free, usual])));
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    // `npx NAME` runs what is installed; the detour over npm's own takes half a second each time.
    const npx = '#!/bin/sh\nprogram=${1##*/}\nshift\nexec "$program" "$@"\n';
    writeFileSync(join(bin, 'npx'), npx, { mode: 0o755 });
    // curl draws its progress where its output is no terminal.
    writeFileSync(join(folder, '.curlrc'), 'silent\nshow-error\n');
    const path = [bin, join(home, 'node_modules', '.bin'), dirname(process.execPath), process.env.PATH];
    const { NODE_OPTIONS: _, VITEST: __, NODE_ENV: ___, ...given } = process.env;
    this.#shell = new Shell(folder, {
      ...given,
      CURL_HOME: folder,
      PYTHONDONTWRITEBYTECODE: '1',
      ...env,
      PATH: path.join(delimiter),
    });
  }

  static async begin(path: string, options: Options): Promise<Run> {
    const folder = mkdtempSync(join(home, '.document-'));
    // A program beside the document is there for its readers, too.
    if (path.startsWith('examples/'))
      for (const name of readdirSync(join(root, dirname(path))))
        if (name.endsWith('.mjs')) symlinkSync(join(root, dirname(path), name), join(folder, name));
    // The third party's backend of the guide, as if it were installed.
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(join(root, 'tests', 'packages', 'acme'), join(folder, 'node_modules', 'acme-folder'));
    return new Run(folder, new Map(await freePorts()), options.env ?? {}, options);
  }

  /** Runs the first of these blocks, with those after it that belong to it; answers how many. */
  async next([block, following]: readonly Block[]): Promise<number> {
    if (block === undefined) throw new Error('there is no block');
    try {
      if (runsElsewhere(block)) return 1;
      const text = this.#local(block.text);
      const shown = following?.language === 'text' ? this.#local(following.text) : undefined;
      switch (block.language) {
        case 'js':
          return await this.#program(text, shown, following?.language === 'console');
        case 'console':
          await this.#console(text);
          return 1;
        case 'sh':
          for (const command of commandsOf(text)) await this.#command(command);
          return 1;
        case 'yaml': {
          const name = named(text, '#');
          if (name !== undefined) writeFileSync(join(this.folder, name), text);
          await checkConfiguration(text, (command) => this.#shell.run(command), this.folder);
          return 1;
        }
        case 'python': {
          const name = named(text, '#') ?? 'program.py';
          writeFileSync(join(this.folder, name), text);
          await this.#succeed(`python3 -m py_compile ${name}`);
          return 1;
        }
        case 'sql':
          await query(block.place, text, this.env);
          return 1;
        case 'json':
          JSON.parse(text);
          return 1;
        default:
          throw new Error(`nobody runs a block of ${JSON.stringify(block.language)}`);
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${block.place}: ${this.#usual(reason)}`, { cause: error });
    }
  }

  close(): void {
    this.#shell.close();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #program(text: string, shown: string | undefined, servesConsole: boolean): Promise<number> {
    const name = named(text, '//') ?? 'program.mjs';
    const [, around = {}] = Object.entries(this.#around).find(([line]) => text.includes(line)) ?? [];
    const imports = text.match(/^import .*\n/gm)?.join('') ?? '';
    const rest = text.replace(/^import .*\n/gm, '');
    const whole =
      around.before === undefined ? text : `${imports}${around.before}\n${rest}${around.after ?? ''}`;
    writeFileSync(join(this.folder, name), this.#local(whole));
    if (shown !== undefined) {
      compare(`node ${name}`, shown, (await this.#shell.run(`node ${name}`)).out);
      return 2;
    }
    if (named(text, '//') !== undefined) await this.#succeed(`node --check ${name}`);
    else if (servesConsole) await this.#serve(name);
    else await this.#succeed(`node ${name}`);
    return 1;
  }

  /** Starts a program that says nothing, whose console begins with requests to it. */
  async #serve(name: string): Promise<void> {
    await this.#shell.start(`node ${name}`, '');
    await this.#succeed(
      `for n in $(seq 100); do curl -o /dev/null http://127.0.0.1:${this.#local('8080')}/healthz && exit 0; sleep 0.05; done 2>/dev/null | cat`,
    );
  }

  async #console(text: string): Promise<void> {
    for (const step of text.split(/^\$ /m).slice(1)) {
      const [, command = '', shown = ''] = /^((?:.*\\\n)*.*)\n([\s\S]*)$/.exec(step) ?? [];
      if (command.endsWith('&')) await this.#shell.start(command.slice(0, -1), shown);
      else compare(command, shown, (await this.#shell.run(command)).out);
    }
  }

  async #command(command: string): Promise<void> {
    const complaint = installs(command);
    if (complaint === undefined) return;
    if (complaint !== '') throw new Error(complaint);
    if (command.startsWith('redis-cli '))
      return this.#succeed(command.replace('redis-cli', 'redis-cli -u "$REDIS_URL"'));
    const [, program, config] = /^npx (\S+) serve --config (\S+)$/.exec(command) ?? [];
    if (program === undefined || config === undefined) throw new Error(`nobody runs: ${command}`);
    if (!existsSync(join(this.folder, config))) throw new Error(`${command}: no block before is ${config}`);
    // What an earlier part of the document has started may hold its ports.
    await this.#shell.run('for job in $(jobs -p); do pkill -P "$job"; done; wait');
    await this.#shell.start(command, '…listening: …');
  }

  async #succeed(command: string): Promise<void> {
    const { out, code } = await this.#shell.run(command);
    if (code !== 0) throw new Error(`${command} ended with ${code}:\n${out}`);
  }
}

function compare(command: string, shown: string, out: string): void {
  if (!fits(shown, out)) throw new Error(`${command} printed\n${out}\nand not\n${shown}`);
}

/** The commands of a block of `sh`, without comments. */
const commandsOf = (text: string) =>
  text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');

/** The name of a file in the comment of its first line. */
const named = (text: string, comment: string) =>
  new RegExp(`^${comment} ([\\w-]+\\.\\w[\\w.]*)(:.*)?\\n`).exec(text)?.[1];

async function freePorts(): Promise<readonly (readonly [string, string])[]> {
  const servers = USUAL_PORTS.map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((listening) => server.once('listening', listening))));
  return servers.map((server, n) => {
    const address = server.address();
    server.close();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return [USUAL_PORTS[n] ?? '', String(address.port)] as const;
  });
}
