// vitest runs this before each test file. It watches the process of the tests, and what only that process can see: which test
// runs, what is printed through vitest's console, what a store is given and what goes to a log that a test has handed in.
import { format, inspect } from 'node:util';
import { afterAll, beforeEach, expect } from 'vitest';
import { captureFolder, flush, openStream, setLabel } from './sink.mjs';
import './preload.mjs';

/** Some tests fill a store: what one test stores beyond this is left out. */
const MOST_STORED = 1024 * 1024;

/** Kept for all files of a process: a project without isolation runs this once more for each. */
const STATE = Symbol.for('sessionkit.watched.tests');

if (captureFolder() !== undefined) {
  const { testPath = '' } = expect.getState();
  const file = testPath.split(/[\\/]/).slice(-4).join('/');
  setLabel(file);
  const first = !(STATE in globalThis);
  if (first) globalThis[STATE] = { stored: 0 };
  const state = globalThis[STATE];
  beforeEach(({ task }) => {
    setLabel(`${file} > ${task.name}`);
    state.stored = 0;
  });
  afterAll(flush);
  if (first) watchTests(state);
}

function watchTests(state) {
  const print = openStream('output', 'console');
  for (const name of ['debug', 'error', 'info', 'log', 'warn']) {
    const original = console[name];
    console[name] = (...args) => {
      print(`${format(...args)}\n`);
      original(...args);
    };
  }

  // Called by the sources of the memory backend as `instrument.ts` has changed them, where a test uses it.
  const store = openStream('store', 'memory');
  globalThis.watchedStore = (backend) => {
    for (const name of ['append', 'claim', 'end', 'save']) {
      const original = backend[name];
      backend[name] = function (...args) {
        if (state.stored < MOST_STORED) {
          const text = `${name} ${JSON.stringify(args[0])}\n`;
          state.stored += text.length;
          store(text);
        }
        return Reflect.apply(original, this, args);
      };
    }
  };

  // Called by the sources as well.
  const log = openStream('log', 'process log');
  globalThis.watchedLog = (environment) => ({
    log: (entry) => {
      log(`${inspect(entry, { depth: 8, breakLength: Number.POSITIVE_INFINITY })}\n`);
      environment.log(entry);
    },
  });
}
