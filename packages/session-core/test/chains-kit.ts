import { newRecord } from '../src/changes.js';
import { processEnvironment } from '../src/environment.js';
import type { Filter, FilterTarget } from '../src/filter.js';
import { createId } from '../src/id.js';
import type { SessionRecord } from '../src/record.js';
import type { Exchange } from '../src/router.js';

export const NOW = 1_780_000_000_000;
export const exchange = {} as Exchange;

/** Says what happens to it, with a number for each of its sessions. */
export function spyOf(
  name: string,
  refuses: () => boolean,
  tell: (event: string) => void,
  opening: () => Promise<void> = () => Promise.resolve(),
): Filter {
  let count = 0;
  return {
    type: 'spy',
    async open(target: FilterTarget) {
      await opening();
      if (refuses()) throw new Error(`${name} does not open`);
      count += 1;
      const me = `${name}${count}`;
      tell(`open ${me} ${target.user ?? '-'}`);
      return {
        async handle(_exchange, next) {
          tell(`> ${me}`);
          await next();
          tell(`< ${me}`);
        },
        close() {
          tell(`close ${me}`);
        },
      };
    },
  };
}

export function record(members: Partial<SessionRecord> = {}): SessionRecord {
  const client = { ip: '192.0.2.7', port: 1, cipher: '', userAgent: '', attributes: {} };
  const times = { duration: 3_600_000, idle: 60_000, anonymousIdle: 60_000 };
  return { ...newRecord(createId(processEnvironment, NOW), 'web', 'h', client, times, NOW), ...members };
}

/** A request that stays in the chain until it is told to end. */
export function slow() {
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { end, at: () => ended };
}
