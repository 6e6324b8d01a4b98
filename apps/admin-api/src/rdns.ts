import { Resolver } from 'node:dns/promises';
import { isIP, isIPv4, SocketAddress } from 'node:net';
import type { Environment, Millis } from '@sessionkit/session-core';

/** The look-ups that reverse DNS needs; rejects with a `code` as node:dns does. */
export interface DnsResolver {
  /** Names of an address (PTR). */
  reverse(address: string): Promise<readonly string[]>;
  /** IPv4 addresses of a name (A). */
  resolve4(name: string): Promise<readonly string[]>;
  /** IPv6 addresses of a name (AAAA). */
  resolve6(name: string): Promise<readonly string[]>;
}

export interface ReverseDnsOptions {
  readonly environment: Pick<Environment, 'now' | 'every' | 'log'>;
  /** Default: the servers that the system is configured with, asked once each. */
  readonly resolver?: DnsResolver | undefined;
}

/** The host names behind addresses, as far as they are known in time. */
export interface ReverseDns {
  /** Begins a request: however many addresses it asks for, it waits {@link BUDGET} ms in all, and after that is told what is known already. */
  begin(): NamesOf;
}

/** Names by address; an address without a confirmed name is not in it. Never rejects. */
export type NamesOf = (addresses: Iterable<string>) => Promise<ReadonlyMap<string, string>>;

/** For one address: the name, and that it leads back. */
const DEADLINE: Millis = 1_000;
/** For all addresses of one request. */
export const BUDGET: Millis = 3_000;
const AT_A_TIME = 32;
/** More than these are not waited for at a time: they are shown as addresses. */
const MOST_WAITING = 1_000;
const KEPT: Millis = 300_000;
/** A name that was not found is looked for again sooner. */
const KEPT_WITHOUT: Millis = 30_000;
const MOST_KEPT = 10_000;
const NAMES_TRIED = 3;
const SAID_EVERY: Millis = 60_000;
const NAME_FORM = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/;
/** What a server answers when there is no such name or address. */
const NONE = new Set(['ENOTFOUND', 'ENODATA']);

interface Kept {
  readonly name: string | undefined;
  readonly until: Millis;
}

/**
 * Reverse DNS with forward confirmation: a name counts only when it leads back to its address, since whoever holds an address may give it any name. What was
 * found is kept for 5 minutes, that nothing was found for 30 s, of at most 10,000 addresses.
 */
export function createReverseDns({
  environment,
  resolver = systemResolver(),
}: ReverseDnsOptions): ReverseDns {
  const kept = new Map<string, Kept>();
  /** Look-ups begun or waiting, with those who want them. */
  const asked = new Map<string, { readonly done: Promise<void>; readonly wanted: (() => boolean)[] }>();
  const waiting: (() => void)[] = [];
  let active = 0;
  let said = Number.NEGATIVE_INFINITY;

  function known(address: string): Kept | undefined {
    const found = kept.get(address);
    if (found !== undefined && found.until > environment.now()) return found;
    kept.delete(address);
    return undefined;
  }

  function keep(address: string, name: string | undefined): void {
    const [oldest] = kept.keys();
    if (oldest !== undefined && kept.size >= MOST_KEPT) kept.delete(oldest);
    kept.set(address, { name, until: environment.now() + (name === undefined ? KEPT_WITHOUT : KEPT) });
  }

  /** What is no plain "there is none" is said, but not for each address. */
  function tell(error: unknown): void {
    if (NONE.has((error as NodeJS.ErrnoException).code ?? '')) return;
    const now = environment.now();
    if (now - said < SAID_EVERY) return;
    said = now;
    environment.log({ level: 'warning', message: 'reverse DNS: a look-up failed', error });
  }

  async function find(address: string): Promise<string | undefined> {
    for (const raw of (await resolver.reverse(address)).slice(0, NAMES_TRIED)) {
      const name = raw.toLowerCase().replace(/\.$/, '');
      if (!NAME_FORM.test(name) || isIP(name) !== 0) continue;
      const back = isIPv4(address) ? resolver.resolve4(name) : resolver.resolve6(name);
      const addresses = await back.catch((error: unknown) => {
        tell(error);
        return [];
      });
      if (addresses.some((one) => canonical(one) === address)) return name;
    }
    return undefined;
  }

  async function run(address: string): Promise<void> {
    const answer = find(address).then(
      (name) => keep(address, name),
      (error: unknown) => {
        tell(error);
        keep(address, undefined);
      },
    );
    // A resolver that never answers must not hold its place for ever.
    const inTime = await within(DEADLINE, answer, environment);
    if (!inTime) keep(address, undefined);
  }

  /** Resolves when there is a place; its holder gives it on by {@link leave}. */
  function enter(): Promise<void> | undefined {
    if (active >= AT_A_TIME) return new Promise((resolve) => waiting.push(resolve));
    active++;
    return undefined;
  }

  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) active--;
    else next();
  }

  /** Settles when `address` is known, or is known to have no name. `wanted` says whether this one still waits when its turn comes. */
  function ask(address: string, wanted: () => boolean): Promise<void> {
    const under = asked.get(address);
    if (under !== undefined) {
      under.wanted.push(wanted);
      return under.done;
    }
    const wanters = [wanted];
    const done = (async () => {
      await enter();
      if (wanters.some((still) => still())) await run(address);
      asked.delete(address);
      leave();
    })();
    asked.set(address, { done, wanted: wanters });
    return done;
  }

  return {
    begin() {
      const end = environment.now() + BUDGET;
      return async (addresses) => {
        const all = new Map([...new Set(addresses)].map((shown) => [shown, canonical(shown)]));
        const unknown = new Set(
          [...all.values()].filter((one) => isIP(one) !== 0 && known(one) === undefined),
        );
        const left = end - environment.now();
        if (unknown.size > 0 && left > 0) {
          let wanted = true;
          const begun = [...unknown]
            .filter((one) => asked.has(one) || waiting.length < MOST_WAITING)
            .map((one) => ask(one, () => wanted));
          await within(left, Promise.all(begun), environment);
          wanted = false;
        }
        const names = new Map<string, string>();
        for (const [shown, address] of all) {
          const name = known(address)?.name;
          if (name !== undefined) names.set(shown, name);
        }
        return names;
      };
    },
  };
}

/** One way to write each address; IPv4 in IPv6 as IPv4. */
function canonical(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIP(address) === 6 ? new SocketAddress({ address, family: 'ipv6' }).address : address;
}

/** Whether `work` ends in time. */
function within(
  time: Millis,
  work: Promise<unknown>,
  { every }: Pick<Environment, 'every'>,
): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = every(time, () => {
      stop();
      resolve(false);
    });
    work.then(() => {
      stop();
      resolve(true);
    });
  });
}

/** Not `dns.lookup`: that takes a thread of the pool, of which there are four, and which files and password hashes need. */
function systemResolver(): DnsResolver {
  return new Resolver({ timeout: DEADLINE / 2, tries: 1 });
}
