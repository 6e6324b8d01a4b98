import { appendFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildProgram, nextMessage } from '@sessionkit/test-stores/program';
import { expect, it } from 'vitest';

const LONG = process.env.SESSIONKIT_LONG === '1';
const SESSIONS = 100;
const AT_A_TIME = 20;
const REQUESTS = LONG ? 10_000 : 500;
const ROUNDS = LONG ? 5 : 2;

type Variant = Awaited<ReturnType<typeof start>>;

async function start(program: Awaited<ReturnType<typeof buildProgram>>, name: string) {
  const child = program.start([name]);
  const port = (await nextMessage(child)) as number;
  const agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
  const ask = (path: string, cookie = '') =>
    new Promise<string>((resolve, reject) => {
      get({ host: '127.0.0.1', port, path, agent, headers: { cookie } }, (answer) => {
        answer.resume();
        answer.on('end', () => {
          if (answer.statusCode !== 200) reject(new Error(`${name}: ${answer.statusCode}`));
          else resolve(answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '');
        });
      }).on('error', reject);
    });
  const jars = await Promise.all(Array.from({ length: SESSIONS }, () => ask('/begin')));
  const cpu = async () => {
    const told = nextMessage(child);
    child.send('cpu');
    return (await told) as number;
  };
  const stop = () => {
    agent.destroy();
    child.kill('SIGKILL');
  };
  return { name, ask, jars, cpu, stop, costs: [] as number[] };
}

/** Every tenth request changes its session. */
async function load({ ask, jars }: Variant): Promise<void> {
  let left = REQUESTS;
  const client = async () => {
    while (left-- > 0) await ask(left % 10 === 0 ? '/write' : '/', jars[left % SESSIONS]);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, client));
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

it('a request costs no more CPU than on express-session', async () => {
  const program = await buildProgram(fileURLToPath(new URL('cost-process.ts', import.meta.url)));
  const variants: Variant[] = [];
  try {
    for (const name of ['bare', 'theirs', 'ours']) variants.push(await start(program, name));
    for (const variant of variants) await load(variant);
    for (let round = 0; round < ROUNDS; round++) {
      for (const variant of round % 2 === 0 ? variants : [...variants].reverse()) {
        const before = await variant.cpu();
        await load(variant);
        variant.costs.push(((await variant.cpu()) - before) / REQUESTS);
      }
    }
    const [bare = [], theirs = [], ours = []] = variants.map(({ costs }) => costs);
    const above = (costs: readonly number[]) => median(costs.map((cost, at) => cost - (bare[at] ?? 0)));
    const line = `express-session: a request costs ${above(ours).toFixed(0)} µs of CPU above bare Express 5, on express-session ${above(theirs).toFixed(0)} µs (both in memory, 0.9 kB, 10 % writes)`;
    const folder = process.env.SESSIONKIT_REPORT_DIR;
    if (folder === undefined) console.log(line);
    else appendFileSync(join(folder, 'summary.txt'), `${line}\n`);
    // A short run beside others tells no more than that nothing is wrong by far.
    expect(above(ours)).toBeLessThan(above(theirs) * (LONG ? 1 : 10));
  } finally {
    for (const { stop } of variants) stop();
    await program.remove();
  }
}, 300_000);
