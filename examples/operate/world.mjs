import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client } from './clients.mjs';
import { yamlOf } from './configuration.mjs';
import { Operator } from './operator.mjs';
import { Process, programOf, run } from './processes.mjs';
import { eventually } from './report.mjs';

const here = import.meta.dirname;
const sessionkit = programOf('sessionkit', 'sessionkit');
const adminApi = programOf('@sessionkit/admin-api', 'admin-api');

/** A port that nobody listens on at this moment: a process that is started again takes the one it had. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/** Two upstreams, two gateways, and an admin API alone, as processes of their own on one store. */
export class World {
  password = randomBytes(12).toString('hex');
  env = { ...process.env, SESSIONKIT_ADMIN_PASSWORD: this.password };
  /** Every user who has logged in, and goes on to visit. */
  crew = [];
  gateways = [];
  /** Admin APIs of the gateways themselves, for what is a process' own. */
  own = [];
  urls = [];
  /** Of the service whose sessions are over when nobody uses them for 3 s. */
  briefUrls = [];

  constructor(store, folder) {
    this.store = store;
    this.folder = folder;
  }

  async start() {
    const { env, folder } = this;
    const upstreams = ['blue', 'green'].map(
      (NAME) => new Process(NAME, [join(here, 'upstream.mjs')], { env: { ...env, NAME } }),
    );
    this.upstreams = await Promise.all(upstreams.map((each) => each.start(/upstream: (\S+)/)));

    const port = await freePort();
    this.write('admin', { admin: `{ listen: "127.0.0.1:${port}", show_data: true }` });
    this.admin = new Process('admin API', [adminApi, '--config', join(folder, 'admin.yaml')], { env });
    this.adminUrl = await this.startAdmin();
    this.operator = new Operator(this.adminUrl, this.password);

    this.ports = [await freePort(), await freePort()];
    for (const n of [0, 1]) {
      const listen = await freePort();
      this.own.push(new Operator(`http://127.0.0.1:${listen}`, this.password));
      this.gateways.push(
        new Process(`gateway ${n + 1}`, [sessionkit, 'serve', '--config', join(folder, `gateway${n}.yaml`)], {
          env,
        }),
      );
      this.writeGateway(n, {}, listen);
      this.urls.push(await this.startGateway(n));
      const { found } = await eventually(
        'the second listener',
        () => /listening: brief (http:\/\/[^ "]+)/.exec(this.gateways[n].stderr)?.[1],
      );
      this.briefUrls.push(found);
    }
  }

  #listens = [];

  /** The file of a gateway. */
  writeGateway(n, parts, listen = this.#listens[n]) {
    this.#listens[n] = listen;
    this.write(`gateway${n}`, { port: this.ports[n], admin: `{ listen: "127.0.0.1:${listen}" }`, ...parts });
  }

  write(name, parts) {
    const { store, upstreams } = this;
    writeFileSync(join(this.folder, `${name}.yaml`), yamlOf({ store, upstreams, ...parts }));
  }

  startGateway(n) {
    return this.gateways[n].start(/listening: public (http:\/\/[^ "]+)/);
  }

  startAdmin() {
    return this.admin.start(/listening: admin (http:\/\/[^ "]+)/);
  }

  client(user, urls = this.urls) {
    return new Client(user, urls);
  }

  /** A user who visits until the end, in any gateway. */
  async join(user) {
    const client = await this.client(user).login(this.crew.length % 2);
    this.crew.push(client.keepVisiting(100));
    return client;
  }

  /** A command of the shell, at the admin API. */
  shell(...args) {
    return run([sessionkit, ...args, '--url', this.adminUrl], { env: this.env });
  }

  /**
   * Whether an operator reaches each session of the crew: it is listed, what is set is read back, and a client of it is served by both gateways.
   * Answers how many sessions there are.
   */
  async steerAll() {
    const listed = new Set((await this.operator.read('sessions')).map(({ id }) => id));
    for (const { id, user } of this.crew) {
      if (!listed.has(id)) throw new Error(`the session of ${user} is not listed`);
      const { parameters } = await this.operator.session(id);
      const log_debug = !parameters.log_debug;
      await this.operator.alter(id, { parameters: { log_debug } });
      const { parameters: now } = await this.operator.session(id);
      if (now.log_debug !== log_debug) throw new Error(`the session of ${user} was not altered`);
    }
    const before = this.crew.map(({ acknowledged }) => acknowledged);
    await eventually('new visits of each session', () =>
      this.crew.every(({ acknowledged }, n) => acknowledged > before[n] + 2),
    );
    return this.crew.length;
  }

  visits() {
    return this.crew.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  async stop() {
    for (const client of this.crew) await client.rest();
  }
}
