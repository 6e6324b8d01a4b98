import { readdir } from 'node:fs/promises';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Environment, Millis } from '@sessionkit/session-core';

/** How long tasks had to wait for the event loop. */
export interface Lag {
  readonly mean: Millis;
  readonly p50: Millis;
  readonly p99: Millis;
  readonly max: Millis;
}

/** The busy share of the event loop's time, 0 to 1. */
export interface Load {
  readonly lastSecond: number;
  readonly lastMinute: number;
  readonly lastHour: number;
}

/** One event loop of the process. */
export interface ThreadInfo {
  readonly id: string;
  /** In bytes. */
  readonly memory: NodeJS.MemoryUsage;
  /** Open file descriptors; undefined where the system does not tell. */
  readonly descriptors: number | undefined;
  /** Undefined while nothing is measured. */
  readonly load?: Load | undefined;
  /** Of the last minute. */
  readonly lag?: Lag | undefined;
  /** Whether it takes connections. */
  readonly listening?: boolean | undefined;
  /** Connections taken since the process began. */
  readonly accepts?: number | undefined;
}

/** What node tells of the thread that asks, at once. */
export async function thisThread(): Promise<ThreadInfo> {
  return { id: '0', memory: process.memoryUsage(), descriptors: await countDescriptors() };
}

/** The directory holds one entry more while it is read, which is that of the reading. */
async function countDescriptors(): Promise<number | undefined> {
  try {
    return (await readdir('/dev/fd')).length - 1;
  } catch {
    return undefined;
  }
}

export interface Meter {
  read(): { readonly load: Load; readonly lag: Lag };
  close(): void;
}

const SECOND: Millis = 1_000;
const MINUTE = 60;
const HOUR = 3_600;
/** The histogram counts the time between its own ticks, which are this far apart where nothing is late. */
const RESOLUTION: Millis = 20;

/** Measures load and lag of the event loop that calls it, until it is closed. Keeps no process alive. */
export function createMeter(environment: Environment): Meter {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
  histogram.enable();
  const loads: number[] = [];
  let mark = performance.eventLoopUtilization();
  let lastMinute: Lag | undefined;
  let seconds = 0;

  const stop = environment.every(SECOND, () => {
    const now = performance.eventLoopUtilization();
    loads.push(performance.eventLoopUtilization(now, mark).utilization);
    if (loads.length > HOUR) loads.shift();
    mark = now;
    seconds++;
    if (seconds % MINUTE !== 0) return;
    lastMinute = lagOf(histogram);
    histogram.reset();
  });

  return {
    read() {
      // Within the first second: since the process began.
      const first = performance.eventLoopUtilization().utilization;
      const mean = (count: number) => {
        const last = loads.slice(-count);
        return last.length === 0 ? first : last.reduce((sum, load) => sum + load, 0) / last.length;
      };
      return {
        load: { lastSecond: mean(1), lastMinute: mean(MINUTE), lastHour: mean(HOUR) },
        lag: lastMinute ?? lagOf(histogram),
      };
    },
    close() {
      stop();
      histogram.disable();
    },
  };
}

function lagOf(histogram: ReturnType<typeof monitorEventLoopDelay>): Lag {
  // An empty histogram has no mean.
  const span = (nanoseconds: number) => Math.max(0, (nanoseconds || 0) / 1e6 - RESOLUTION);
  return {
    mean: span(histogram.mean),
    p50: span(histogram.percentile(50)),
    p99: span(histogram.percentile(99)),
    max: span(histogram.max),
  };
}
