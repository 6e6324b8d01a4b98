import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { type Block, blocksOf, root } from './blocks.js';
import { checkConfiguration } from './configuration.js';
import { runsElsewhere } from './elsewhere.js';
import { installAll, installs } from './packages.js';
import { checkDrawing, checkMembers, isPrinted } from './samples.js';
import { fits, Shell } from './shell.js';
import { type Around, aroundOf } from './surroundings/index.js';
import { complaintsOf } from './types.js';

const home = join(import.meta.dirname, '..');
/** The ports that documents use: each becomes a free one. */
const USUAL_PORTS = ['8080', '8081', '8082', '8989', '9001', '9002', '3000'];

export interface Options {
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** What the compiler says of blocks of TypeScript, by place. Left out: it is asked for those of this document. */
  readonly complaints?: ReadonlyMap<string, string> | undefined;
}

/** Runs all blocks of a document in their order, in one folder; answers how many there were. */
export async function runDocument(path: string, options: Options = {}, text?: string): Promise<number> {
  const blocks = blocksOf(path, text);
  const { complaints = complaintsOf(blocks), env = {} } = options;
  const run = await Run.begin(path, env, complaints);
  try {
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

  private constructor(
    private readonly folder: string,
    ports: ReadonlyMap<string, string>,
    private readonly env: NodeJS.ProcessEnv,
    private readonly complaints: ReadonlyMap<string, string>,
  ) {
    const replace = (map: ReadonlyMap<string, string>) => (text: string) =>
      // What a stream of events says of its end is no port.
      text.replace(/(?<!retry: )\b\d{4,5}\b/g, (number) => map.get(number) ?? number);
    this.#local = replace(ports);
    this.#usual = replace(new Map([...ports].map(([usual, free]) => [free, usual])));
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    // `npx NAME` runs what is installed; the detour over npm's own takes half a second each time.
    const npx = '#!/bin/sh\nprogram=$(basename "$1")\nshift\nexec "$program" "$@"\n';
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

  static async begin(
    path: string,
    env: NodeJS.ProcessEnv,
    complaints: ReadonlyMap<string, string>,
  ): Promise<Run> {
    const folder = mkdtempSync(join(home, '.document-'));
    // A program beside the document is there for its readers, too.
    if (path.startsWith('examples/'))
      for (const name of readdirSync(join(root, dirname(path))))
        if (name.endsWith('.mjs')) symlinkSync(join(root, dirname(path), name), join(folder, name));
    installAll(folder);
    return new Run(folder, new Map(await freePorts()), env, complaints);
  }

  /** Runs the first of these blocks, with those after it that belong to it; answers how many. */
  async next([block, following]: readonly Block[]): Promise<number> {
    if (block === undefined) throw new Error('there is no block');
    try {
      if (runsElsewhere(block)) return 1;
      const { text } = block;
      if (block.language === 'js') return await this.#program(block, following);
      await this.#one(block, this.#local(text), aroundOf(block));
      return 1;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${block.place}: ${this.#usual(reason)}`, { cause: error });
    }
  }

  close(): void {
    this.#shell.close();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #one(block: Block, text: string, { before, printedBy }: Around): Promise<void> {
    switch (block.language) {
      case 'console':
        if (before !== undefined) await this.#console(this.#local(before));
        return this.#console(text);
      case 'sh':
        for (const command of commandsOf(text)) await this.#command(command);
        return;
      case 'yaml': {
        const name = named(text, '#');
        if (name !== undefined) writeFileSync(join(this.folder, name), text);
        return checkConfiguration(text, this.folder, this.env);
      }
      case 'python': {
        const name = named(text, '#') ?? 'program.py';
        writeFileSync(join(this.folder, name), text);
        return this.#succeed(`python3 -m py_compile ${name}`);
      }
      case 'ts': {
        const complaint = this.complaints.get(block.place);
        if (complaint !== undefined) throw new Error(complaint);
        return;
      }
      case 'json':
        if (printedBy === undefined) throw new Error('nobody prints this JSON');
        return checkMembers(text, (await this.#shell.run(this.#local(printedBy))).out);
      case 'text':
        if (!(await isPrinted(block))) throw new Error('nobody prints this text');
        return;
      case '':
        return checkDrawing(text);
      default:
        throw new Error(`nobody runs a block of ${JSON.stringify(block.language)}`);
    }
  }

  /** Runs a program, and compares what it prints with the text behind it; or makes it ready for the console behind it. */
  async #program(block: Block, following: Block | undefined): Promise<number> {
    const { text } = block;
    const { before, after = '' } = aroundOf(block);
    const file = named(text, '//');
    const name = file ?? 'program.mjs';
    const imports = text.match(/^import .*\n/gm)?.join('') ?? '';
    const rest = text.replace(/^import .*\n/gm, '');
    const whole = before === undefined ? text : `${imports}${before}\n${rest}${after}`;
    writeFileSync(join(this.folder, name), this.#local(whole));
    if (following?.language === 'text') {
      const { out } = await this.#shell.run(`node ${name}`);
      compare(`node ${name}`, this.#local(following.text), out);
      return 2;
    }
    if (file !== undefined) await this.#succeed(`node --check ${name}`);
    else if (following?.language === 'console' && before === undefined) await this.#serve(name);
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
