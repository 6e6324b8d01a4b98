// What `npm start` runs after the build: the thin app on its embedded default (apps/sessionkit/demo.yaml) in front of the example
// upstream, with a demo admin user, and all it keeps in a throwaway folder. With arguments (`npm start -- serve --config my.yaml`) it is
// the thin app and nothing else.
//   PORT, ADMIN_PORT, UPSTREAM_PORT    instead of 8080, 8989, 9001, or a free port where one of these is taken
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runChild } from './child.mjs';
import { root } from './workspaces.mjs';

const bin = join(root, 'apps', 'sessionkit', 'bin', 'sessionkit.mjs');
const args = process.argv.slice(2);
if (args.length > 0) process.exit(await runChild(process.execPath, [bin, ...args]));

/** The port of the environment, which must then be free, or the usual one, or any. */
async function choosePort(name, usual) {
  const given = process.env[name];
  if (given) return given;
  const probe = createServer();
  const free = await new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(usual, '127.0.0.1', () => resolve(true));
  });
  if (free) await new Promise((resolve) => probe.close(resolve));
  return String(free ? usual : 0);
}

/** The first `http://…` that a program writes. */
async function startUpstream() {
  const child = spawn(process.execPath, [join(root, 'examples', 'upstream', 'server.mjs')], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: await choosePort('UPSTREAM_PORT', 9001) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the example upstream ended (${code}) before it listened`);
  });
  const listening = (async () => {
    for await (const line of lines) {
      const url = /http:\/\/[\w.[\]:]+/.exec(line)?.[0];
      if (url !== undefined) return url;
    }
    return exited;
  })();
  const url = await Promise.race([listening, exited]);
  child.removeAllListeners('exit');
  child.stdout.resume();
  return { url, stop: () => child.kill() };
}

const folder = mkdtempSync(join(tmpdir(), 'sessionkit-demo-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const password = randomBytes(9).toString('base64url');

// Until the thin app runs, and takes the signals.
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const quit = () => process.exit(1);
for (const signal of SIGNALS) process.on(signal, quit);

function tell({ upstream, shop, admin }) {
  const jar = `'${join(folder, 'cookies')}'`;
  const visit = `curl -s -b ${jar} -c ${jar} ${shop}/`;
  const operator = `curl -s -u admin:${password}`;
  // The part of the cookie before the dot: an id, which is no secret.
  const id = `$(sed -n 's/.*sxapi-sess[[:space:]]*\\([^.]*\\)[.].*/\\1/p' ${jar})`;
  console.log(`
SessionKit runs. Everything of this demo is gone when you stop it (Ctrl-C).

  with sessions   ${shop}
  without         ${upstream}   (examples/upstream)
  admin API       ${admin}/v1/sessions   user admin, password ${password}

In another terminal: visit twice. It is the same session, and its counter goes up.

  ${visit}
  ${visit}

List the sessions, as an operator.

  ${operator} '${admin}/v1/sessions?pretty'

End this one.

  ${operator} -i -X DELETE "${admin}/v1/sessions/${id}"

Its next visit is refused, once. The one after is a new session.

  ${visit}
  ${visit}
`);
}

let upstream;
try {
  upstream = await startUpstream();
} catch (error) {
  console.error(`sessionkit: ${error.message}`);
  process.exit(1);
}
process.on('exit', () => upstream.stop());

const env = {
  ...process.env,
  PORT: await choosePort('PORT', 8080),
  ADMIN_PORT: await choosePort('ADMIN_PORT', 8989),
  UPSTREAM_URL: upstream.url,
  USERS_FILE: join(folder, 'users.json'),
  SESSIONKIT_ADMIN_PASSWORD: password,
};

/** Process log of the thin app: where it listens is told in our words, the rest as it says it. */
function readLog(child) {
  const urls = { upstream: upstream.url };
  createInterface({ input: child.stderr }).on('line', (line) => {
    const entry = line.startsWith('{') ? JSON.parse(line) : { msg: line };
    if (entry.url === undefined) console.error(entry.msg);
    else urls[entry.listener === 'admin' ? 'admin' : 'shop'] = entry.url;
    if (entry.url !== undefined && urls.admin !== undefined && urls.shop !== undefined) tell(urls);
  });
}

const config = join(root, 'apps', 'sessionkit', 'demo.yaml');
const options = { env, stdio: ['ignore', 'inherit', 'pipe'] };
const running = runChild(process.execPath, [bin, 'serve', '--config', config], options, readLog);
for (const signal of SIGNALS) process.off(signal, quit);
process.exit(await running);
