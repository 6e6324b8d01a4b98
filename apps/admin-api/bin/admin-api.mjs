#!/usr/bin/env node
import { main } from '../dist/cli.js';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());

process.exitCode = await main(process.argv.slice(2), {
  out: (line) => process.stdout.write(`${line}\n`),
  tell: (line) => process.stderr.write(`${line}\n`),
  terminal: process.stderr.isTTY === true,
  stop: stop.signal,
  home: import.meta.url,
});
