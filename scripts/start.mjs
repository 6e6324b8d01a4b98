// What `npm start` runs after the build: the thin app on its embedded default (apps/sessionkit/config/demo.yaml) in front of the example
// upstream, with a demo admin user, and all it keeps in a throwaway folder. With arguments (`npm start -- serve --config my.yaml`) it is
// the thin app and nothing else.
//   PORT, ADMIN_PORT, UPSTREAM_PORT    instead of 8080, 8989, 9001, or a free port where one of these is taken
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
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

/** A port that was asked for; it must be free. */
const given = (name) => process.env[name] || undefined;

/** The port that was asked for, or the usual one, or any. */
async function choosePort(name, usual) {
  if (given(name) !== undefined) return given(name);
  const probe = createServer();
  const free = await new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(usual, '127.0.0.1', () => resolve(true));
  });
  if (free) await new Promise((resolve) => probe.close(resolve));
  return String(free ? usual : 0);
}

/** Starts the example upstream, and reads its URL from the first `http://…` that it writes. */
async function startUpstream(port) {
  const child = spawn(process.execPath, [join(root, 'examples', 'upstream', 'server.mjs')], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: port },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.on('exit', () => child.kill());
  let said = '';
  const url = await new Promise((resolve, reject) => {
    const failed = (code) => reject(new Error(`the example upstream ended (${code}):\n${said}`));
    child.once('close', failed);
    child.stderr.on('data', (data) => {
      said += data;
    });
    child.stdout.on('data', (data) => {
      said += data;
      const [found] = /http:\/\/[\w.[\]:]+/.exec(said) ?? [];
      if (found === undefined) return;
      child.off('close', failed);
      resolve(found);
    });
  });
  child.stderr.pipe(process.stderr);
  return url;
}

const folder = mkdtempSync(join(tmpdir(), 'sessionkit-demo-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const password = randomBytes(18).toString('base64url');

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

// Somebody else may take a port between the look at it and its use: then any free one will do, but for those that were asked for.
let upstream;
try {
  upstream = await startUpstream(await choosePort('UPSTREAM_PORT', 9001)).catch((error) => {
    if (given('UPSTREAM_PORT') !== undefined) throw error;
    return startUpstream('0');
  });
} catch (error) {
  console.error(`sessionkit: ${error.message}`);
  process.exit(1);
}

const urls = { upstream };

/** Process log of the thin app: where it listens is told in our words, the rest as it says it. */
function readLog(child) {
  createInterface({ input: child.stderr }).on('line', (line) => {
    const entry = line.startsWith('{') ? JSON.parse(line) : { msg: line };
    if (entry.url === undefined) console.error(entry.msg);
    else urls[entry.listener === 'admin' ? 'admin' : 'shop'] = entry.url;
    if (entry.url !== undefined && urls.admin !== undefined && urls.shop !== undefined) tell(urls);
  });
}

function serve(port, adminPort) {
  const env = {
    ...process.env,
    PORT: port,
    ADMIN_PORT: adminPort,
    UPSTREAM_URL: upstream,
    USERS_FILE: join(folder, 'users.json'),
    SESSIONKIT_ADMIN_PASSWORD: password,
  };
  const config = join(root, 'apps', 'sessionkit', 'config', 'demo.yaml');
  const options = { env, stdio: ['ignore', 'inherit', 'pipe'] };
  return runChild(process.execPath, [bin, 'serve', '--config', config], options, readLog);
}

const running = serve(await choosePort('PORT', 8080), await choosePort('ADMIN_PORT', 8989));
for (const signal of SIGNALS) process.off(signal, quit);
let code = await running;
if (code === 1 && urls.shop === undefined && !(given('PORT') && given('ADMIN_PORT'))) {
  code = await serve(given('PORT') ?? '0', given('ADMIN_PORT') ?? '0');
}
process.exit(code);
