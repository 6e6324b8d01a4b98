import assert from 'node:assert/strict';
import { type Abilities, type Backend, SessionError, type SessionId } from '@sessionkit/session-core';
import { BackendKit, type OpenBackend } from './backend-kit.js';

/** One way in which what is stored of a session can be damaged, or not be ours. */
export interface Damage {
  readonly name: string;
  /** It can still be read, as what a newer version has written must be. */
  readonly readable?: boolean | undefined;
  apply(id: SessionId): Promise<void>;
}

export interface OpenHostile extends OpenBackend {
  /** Left out where nothing can be damaged: in the memory of the process. */
  readonly damages?: readonly Damage[] | undefined;
}

/** What the author of a backend gives to the suite of hostile values. */
export interface HostileHarness {
  /** Two instances on a store that holds nothing. */
  open(): Promise<OpenHostile>;
}

/** What became of the values of a run. */
export interface HostileTally {
  values: number;
  kept: number;
  refused: number;
  changed: number;
  /** Damaged or foreign rows that were read beside sound ones. */
  damaged: number;
  /** Steps of the random run. */
  random: number;
}

export interface HostileCase {
  readonly name: string;
  readonly ability?: keyof Abilities | undefined;
  readonly applies?: ((opened: OpenHostile) => boolean) | undefined;
  run(kit: HostileKit): Promise<void>;
}

const CLEAR: readonly SessionError['code'][] = ['INVALID_VALUE', 'RECORD_TOO_LARGE'];

/** What a case works with. */
export class HostileKit extends BackendKit {
  readonly damages: readonly Damage[];
  readonly tally: HostileTally;
  /** Steps of the random run. */
  readonly steps: number;
  readonly seed: number;

  constructor(opened: OpenHostile, tally: HostileTally, steps: number, seed: number) {
    super(opened);
    this.damages = opened.damages ?? [];
    this.tally = tally;
    this.steps = steps;
    this.seed = seed;
  }

  /**
   * Offers a value: `give` hands it over, `kept` asserts that it is there byte for byte. Unless it `must` be kept it may be refused, with a fault that says so, and without a
   * trace of the value in it. Answers whether it was kept.
   */
  async offer(
    value: string,
    { must, give, kept }: { must: boolean; give: () => Promise<unknown>; kept: () => Promise<void> },
  ): Promise<boolean> {
    this.tally.values++;
    const shown = JSON.stringify(value.slice(0, 60));
    try {
      await give();
    } catch (error) {
      assert.ok(!must, `${shown} was refused: ${error}`);
      refusedClearly(error, value);
      this.tally.refused++;
      return false;
    }
    try {
      await kept();
    } catch (cause) {
      this.tally.changed++;
      throw new assert.AssertionError({ message: `${shown} was changed: ${(cause as Error).message}` });
    }
    this.tally.kept++;
    return true;
  }

  /** Ids of everything that is listed under a query, page by page. */
  async ids(query: { service?: string; user?: string; state?: 'open' | 'ended' }, by: Backend = this.b) {
    const found: SessionId[] = [];
    let after: SessionId | undefined;
    do {
      const page = await this.with('inspect', by).list({ ...query, after, limit: 100 }, this.signal);
      found.push(...page.items.map(({ id }) => id));
      assert.ok(page.next === undefined || page.next !== after, 'a page does not go on');
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  /** Asserts that exactly these are listed and counted under a query. */
  async holds(
    query: { service?: string; user?: string; state?: 'open' | 'ended' },
    wanted: readonly SessionId[],
  ) {
    const what = JSON.stringify(query).slice(0, 80);
    assert.deepEqual(await this.ids(query), [...wanted].sort(), `listed under ${what}`);
    const counted = await this.with('inspect', this.b).count(query, this.signal);
    assert.equal(counted, wanted.length, `counted under ${what}`);
  }
}

/** Asserts that an error is a refusal of a value, that trying again cannot help, and that it does not carry the value. */
function refusedClearly(error: unknown, value: string): void {
  assert.ok(error instanceof SessionError, `the fault is no SessionError: ${error}`);
  assert.ok(CLEAR.includes(error.code), `the code of the refusal is ${error.code} (${error.message})`);
  assert.equal(error.retryable, false, 'the refusal says that trying again may help');
  assert.ok(error.message.length > 15, `the refusal does not say what is wrong: ${error.message}`);
  if (value.length > 20)
    assert.ok(!`${error.stack} ${error.cause}`.includes(value), 'the refusal carries the value');
}

/** What `doing` answers, or undefined when it refuses the value. */
export async function orRefused<T>(doing: () => Promise<T>): Promise<T | undefined> {
  try {
    return await doing();
  } catch (error) {
    refusedClearly(error, '');
    return undefined;
  }
}
