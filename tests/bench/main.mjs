// What a session visit costs: CPU of the server process per request, beside bare node:http and a hand-written floor, in one run.
//   pnpm bench            short
//   pnpm bench --long     more and longer rounds
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { countCalls } from './calls.mjs';

const long = process.argv.includes('--long') || process.env.SESSIONKIT_LONG === '1';
const rounds = long ? 7 : 3;
const seconds = long ? 5 : 2;
const warmup = long ? 8 : 4;
const CONNECTIONS = 50;
const NAMES = ['bare', 'floor', 'sessionkit'];

const pin = (pid, core) => {
  try {
    execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
  } catch {
    // Without taskset the figures are only noisier.
  }
};

async function start(name) {
  const child = fork(fileURLToPath(new URL('server.mjs', import.meta.url)), [name]);
  const [{ port, cookies }] = await once(child, 'message');
  if (availableParallelism() > 1) pin(child.pid, 0);
  return { name, child, port, cookies, costs: [], rates: [] };
}

async function load({ port, cookies }, duration) {
  const requests =
    cookies.length === 0
      ? [{ path: '/' }]
      : cookies.map((cookie, i) => ({ path: i % 10 === 0 ? '/write' : '/', headers: { cookie } }));
  const result = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections: CONNECTIONS,
    duration,
    requests,
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${result.non2xx} refused, ${result.errors} errors of ${result.requests.total}`);
  }
  return result.requests.total;
}

async function usage({ child }) {
  const answer = once(child, 'message');
  child.send('usage');
  return (await answer)[0];
}

async function round(server) {
  const before = await usage(server);
  const started = performance.now();
  const total = await load(server, seconds);
  const took = (performance.now() - started) / 1000;
  const after = await usage(server);
  server.costs.push((after.cpu - before.cpu) / total);
  server.rates.push(total / took);
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const pad = (text, width) => String(text).padStart(width);

console.log('store calls per request (counted by a backend that wraps the memory one)');
const rows = await countCalls();
console.log(`${'request'.padEnd(14)}${pad('load', 6)}${pad('save', 6)}${pad('touch', 7)}${pad('end', 5)}`);
for (const row of rows) {
  console.log(
    `${row.who.padEnd(14)}${pad(row.load, 6)}${pad(row.save, 6)}${pad(row.touch, 7)}${pad(row.end, 5)}`,
  );
}
const expected = { reader: [1, 0], writer: [1, 1], 'staying alive': [1, 0] };
const wrong = rows.filter(({ who, load: loads, save, touch, end }) => {
  const [wantLoads, wantSaves] = expected[who];
  return loads !== wantLoads || save !== wantSaves || touch !== 0 || end !== 0;
});

console.log(
  `\n${CONNECTIONS} connections, 1,000 sessions of 0.9 kB, 10 % writes, ${rounds} interleaved rounds of ${seconds} s after ${warmup} s`,
);
if (availableParallelism() > 1) pin(process.pid, 1);
const servers = [];
for (const name of NAMES) servers.push(await start(name));
for (const server of servers) await load(server, warmup);
for (let i = 0; i < rounds; i++) {
  for (const server of i % 2 === 0 ? servers : [...servers].reverse()) await round(server);
}

const bare = servers[0];
const floorCost = median(servers[1].costs.map((cost, i) => cost - bare.costs[i]));
console.log(
  `${'variant'.padEnd(14)}${pad('req/s', 9)}${pad('CPU µs/req', 12)}${pad('above bare', 12)}${pad('/ floor', 9)}`,
);
for (const { name, costs, rates } of servers) {
  const above = median(costs.map((cost, i) => cost - bare.costs[i]));
  const ratio = name === 'bare' ? '' : (above / floorCost).toFixed(2);
  console.log(
    `${name.padEnd(14)}${pad(Math.round(median(rates)), 9)}${pad(median(costs).toFixed(1), 12)}${pad(above.toFixed(1), 12)}${pad(ratio, 9)}`,
  );
}
for (const { child } of servers) child.disconnect();
if (wrong.length > 0) {
  console.error(`unexpected store calls: ${wrong.map(({ who }) => who).join(', ')}`);
  process.exitCode = 1;
}
