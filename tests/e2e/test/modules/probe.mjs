// Loaded into a process under soak (`node --import`): every few seconds it notes what the process holds after a full collection, a JSON object a line.
import { EventEmitter } from 'node:events';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const INTERVAL = 2_500;
const { SESSIONKIT_PROBE: folder } = process.env;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const listenersOf = (emitter) =>
  emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);

function sample() {
  collect();
  const { rss, heapUsed } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo();
  const handles = process._getActiveHandles().filter((handle) => handle instanceof EventEmitter);
  return {
    at: Date.now(),
    rss,
    heap: heapUsed,
    handles: resources.length,
    connections: resources.filter((name) => name === 'TCPSocketWrap').length,
    listeners: [process, ...handles].reduce((sum, each) => sum + listenersOf(each), 0),
  };
}

if (folder !== undefined) {
  const file = join(folder, `${process.pid}.jsonl`);
  setInterval(() => appendFileSync(file, `${JSON.stringify(sample())}\n`), INTERVAL).unref();
}
