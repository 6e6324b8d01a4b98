import os from 'node:os';
import type { Millis, StoreHealth } from '@sessionkit/session-core';
import type { ThreadInfo } from './meter.js';
import type { ResourceView } from './resources.js';
import type { Diagnostics, LogData, Logs, MaxScale, Module, Thread } from './schemas-maxscale.js';
import type { LogLine, ModuleInfo } from './system.js';

/** The process itself. */
export function maxscaleResource({ system, links }: ResourceView, now: Millis): MaxScale {
  const { startedAt, version, settings } = system;
  const started = new Date(startedAt).toUTCString();
  return {
    attributes: {
      activated_at: started,
      parameters: { ...system.parameters(), ...(system.serves ? settings.global : {}) },
      process_datetime: new Date(now).toUTCString(),
      started_at: started,
      system: {
        machine: { cores_available: os.availableParallelism(), memory_available: os.totalmem() },
        os: {
          machine: os.machine(),
          nodename: os.hostname(),
          release: os.release(),
          sysname: os.type(),
          version: os.version(),
        },
        runtime: { name: 'node', pid: process.pid, version: process.versions.node },
      },
      uptime: Math.max(0, Math.floor((now - startedAt) / 1000)),
      ...(version === undefined ? {} : { version }),
    },
    id: 'maxscale',
    links: {
      logs: links.to('maxscale', 'logs'),
      modules: links.to('maxscale', 'modules'),
      self: links.to('maxscale'),
      threads: links.to('maxscale', 'threads'),
    },
    type: 'maxscale',
  };
}

export function threadResource(thread: ThreadInfo, { links }: ResourceView): Thread {
  const { id, memory, descriptors, load, lag, listening, accepts } = thread;
  const percent = (part: number) => Math.round(part * 100);
  const seconds = (span: Millis) => Math.round(span * 1000) / 1e6;
  return {
    attributes: {
      stats: {
        ...(accepts === undefined ? {} : { accepts }),
        ...(descriptors === undefined ? {} : { current_descriptors: descriptors }),
        ...(lag && {
          event_loop_lag: {
            max: seconds(lag.max),
            mean: seconds(lag.mean),
            p50: seconds(lag.p50),
            p99: seconds(lag.p99),
          },
        }),
        ...(listening === undefined ? {} : { listening }),
        ...(load && {
          load: {
            last_hour: percent(load.lastHour),
            last_minute: percent(load.lastMinute),
            last_second: percent(load.lastSecond),
          },
        }),
        memory: {
          array_buffers: memory.arrayBuffers,
          external: memory.external,
          heap_total: memory.heapTotal,
          heap_used: memory.heapUsed,
          total: memory.rss,
        },
        state: 'Active',
      },
    },
    id,
    links: { self: links.to('maxscale', 'threads', id) },
    type: 'threads',
  };
}

export function moduleResource(module: ModuleInfo, { links }: ResourceView): Module {
  const { id, type, package: name, version } = module;
  return {
    attributes: {
      commands: [],
      module_type: type,
      ...(name === undefined ? {} : { package: name }),
      parameters: [],
      ...(version === undefined ? {} : { version }),
    },
    id,
    links: { self: links.to('maxscale', 'modules', id) },
    type: 'modules',
  };
}

export function logsResource({ system, links }: ResourceView): Logs {
  const self = links.to('maxscale', 'logs');
  return {
    attributes: {
      log_file: system.log?.file ?? null,
      log_priorities: [...(system.log?.levels ?? [])],
      parameters: {},
    },
    id: 'logs',
    links: { data: links.to('maxscale', 'logs', 'data'), self },
    type: 'logs',
  };
}

/** A page of the process log, oldest line first. @param query what is to be kept of the query in links */
export function logDocument(
  lines: readonly LogLine[] | undefined,
  size: number,
  cursor: number | undefined,
  { links }: ResourceView,
): LogData {
  const base = links.to('maxscale', 'logs', 'data');
  const page = (before?: number) => {
    const at = before === undefined ? '' : `&page%5Bcursor%5D=${before}`;
    return `${base}?page%5Bsize%5D=${size}${at}`;
  };
  const oldest = lines?.[0]?.id;
  return {
    data: {
      attributes: { ...(lines === undefined ? {} : { log: lines.map(entryOf) }), log_source: 'memory' },
      id: 'log_data',
      links: { self: base },
      type: 'log_data',
    },
    links: {
      last: page(),
      ...(oldest !== undefined && oldest > 1 && lines?.length === size ? { prev: page(oldest) } : {}),
      self: page(cursor),
    },
  };
}

function entryOf({ id, at, level, message, service, session }: LogLine) {
  return {
    id: String(id),
    message,
    priority: level,
    ...(service === undefined ? {} : { service }),
    ...(session === undefined ? {} : { session }),
    timestamp: new Date(at).toISOString(),
  };
}

/** How the stores are, asked now; no more of one than its type. */
export function diagnosticsResource(stores: readonly StoreHealth[], { links }: ResourceView): Diagnostics {
  return {
    attributes: {
      stores: stores.map(({ type, services, ok, clockOffset }) => ({
        ...(clockOffset === undefined ? {} : { clock_offset: clockOffset / 1000 }),
        services: [...services],
        state: ok ? 'Running' : 'Down',
        type,
      })),
    },
    id: 'server_diagnostics',
    links: { self: links.to('maxscale', 'debug', 'server_diagnostics') },
    type: 'server_diagnostics',
  };
}
