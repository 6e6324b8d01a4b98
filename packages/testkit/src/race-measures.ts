import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Millis } from '@sessionkit/session-core';
import type { Slowness } from './race-gates.js';
import type { RaceWorker, Told, VisitOrder } from './race-worker.js';

/** The two that race on one store: two processes, or two managers where a store is not shared. */
export interface RacePair {
  readonly a: RaceWorker;
  readonly b: RaceWorker;
}

/** How much is raced. */
export interface RaceSize {
  /** Visits that change sessions, of both together. */
  readonly visits: number;
  /** Sessions that end while a write for them is under way. */
  readonly revivals: number;
  /** Repetitions of each other race. */
  readonly rounds: number;
}

/** The numbers by which a store is trusted. */
export const FULL_SIZE: RaceSize = { visits: 10_000, revivals: 1_000, rounds: 100 };
/** A tenth of them, for every day. */
export const SHORT_SIZE: RaceSize = { visits: 1_000, revivals: 100, rounds: 10 };

/** Of the visits so many must be acknowledged, and so many of their commits must overlap with one of the other process. */
export const LEAST_ACKNOWLEDGED = 0.99;
export const LEAST_OVERLAPPING = 0.05;
/** Of the sessions that end a store that upserts brings so many back. */
export const MUTANT_REVIVES = 0.9;

export interface VisitsReport {
  readonly visits: number;
  readonly acknowledged: number;
  /** Versions of a session that both have tried to store: each had loaded the one before, and one came second. */
  readonly overlapping: number;
  /** Acknowledged changes that are not in the final record exactly once. */
  readonly lost: number;
  /** Visits that were told `CONFLICT`. */
  readonly conflicts: number;
  /** Every fault and refusal, by its code. */
  readonly faults: Readonly<Record<string, number>>;
  /** Longest time for which the event loop of either stood still. */
  readonly stoodStill: Millis;
}

const VISITS_A_SESSION = 500;
const LEAST_SESSIONS = 4;
const TOGETHER_A_SESSION = 3;
const SLOWNESS: Slowness = { oneIn: 3, least: 2, most: 50, untilMet: true };
const ENDED_AT_ONCE = 100;
/** Longer than any hold. */
const PATIENT = 30_000;

/** A name that no other race on the same store has. */
export const fresh = (what: string) => `${what}-${randomUUID().slice(0, 13)}`;

/** New sessions with one mark in each, and their tokens. */
export async function opened(
  worker: RaceWorker,
  service: string,
  count: number,
): Promise<readonly { readonly id: string; readonly token: string }[]> {
  const order: VisitOrder = { add: { key: 'both', mark: 'first' } };
  const told = await worker.visit(
    service,
    Array.from({ length: count }, () => order),
  );
  return told.map((one) => {
    const { id, token } = one;
    assert(id !== undefined && token !== undefined, `a session could not be opened: ${shown(one)}`);
    return { id, token };
  });
}

/** What came of visits, for the message of a failure: no token is in it. */
export function shown(told: Told | readonly Told[] | undefined): string {
  return JSON.stringify(told, (name, value: unknown) =>
    name === 'token' || name === 'fields' ? undefined : value,
  );
}

/** All marks in the data of a session, in the order of their keys. */
export function marksOf(told: Told | undefined): string[] {
  return Object.values(told?.data ?? {}).flatMap((value) => (Array.isArray(value) ? value.map(String) : []));
}

/** Visits of two processes change the same sessions at the same time; one save in three is held between its load and its save, until the other process has come before it. */
export async function raceVisits({ a, b }: RacePair, visits: number): Promise<VisitsReport> {
  const name = fresh('visits');
  await Promise.all([a.serve({ name }), b.serve({ name })]);
  const sessions = Math.max(LEAST_SESSIONS, Math.ceil(visits / VISITS_A_SESSION));
  const tokens = (await opened(a, name, sessions)).map(({ token }) => token);
  const half = Math.ceil(visits / 2);
  const plan = { tokens, count: half, together: sessions * TOGETHER_A_SESSION, slowness: SLOWNESS };
  const reports = await Promise.all([
    a.stream(name, { ...plan, first: 0, own: 'a' }),
    b.stream(name, { ...plan, first: half, own: 'b' }),
  ]);

  const found = new Map<string, number>();
  let miscounted = 0;
  for (const told of await b.visit(
    name,
    tokens.map((token) => ({ token, read: true })),
  )) {
    const marks = marksOf(told);
    for (const mark of marks) if (mark !== 'first') found.set(mark, (found.get(mark) ?? 0) + 1);
    miscounted += Math.abs(Number(told.data?.n ?? 0) - marks.length);
  }
  const acknowledged = reports.flatMap((report) => report.acknowledged);
  const missing = acknowledged.filter((mark) => !found.has(mark)).length;
  const repeated = [...found.values()].filter((times) => times > 1).length;
  const [ofA, ofB] = reports.map((report) => new Set(report.attempts));
  const faults: Record<string, number> = {};
  for (const report of reports)
    for (const [code, count] of Object.entries(report.faults)) faults[code] = (faults[code] ?? 0) + count;
  return {
    visits: 2 * half,
    acknowledged: acknowledged.length,
    overlapping: [...(ofA ?? [])].filter((attempt) => ofB?.has(attempt)).length,
    lost: missing + repeated + miscounted,
    conflicts: faults.CONFLICT ?? 0,
    faults,
    stoodStill: Math.round(Math.max(...reports.map((report) => report.stoodStill))),
  };
}

/**
 * One process ends sessions while the other holds a save, a touch and a journal entry of each between load and store, and lets them go once the end has been answered. Answers
 * how many live again: for either process, by token, by load or by list, before or after the late writes.
 */
export async function raceRevivals({ a, b }: RacePair, count: number): Promise<number> {
  const name = fresh('revivals');
  const service = { name, deadline: PATIENT };
  await Promise.all([a.serve(service), b.serve(service)]);
  const revived = new Set<string>();
  for (let done = 0; done < count; done += ENDED_AT_ONCE) {
    const sessions = await opened(a, name, Math.min(ENDED_AT_ONCE, count - done));
    const ids = sessions.map(({ id }) => id);
    const look = async () => {
      for (const worker of [a, b]) {
        for (const id of await worker.alive(name, ids)) revived.add(id);
        const told = await worker.visit(
          name,
          sessions.map(({ token }) => ({ token })),
        );
        for (const { id } of told) if (id !== undefined) revived.add(id);
      }
    };

    const verbs = ['save', 'touch', 'append'] as const;
    for (const verb of verbs) await b.hold(verb, 'before');
    const late = b.visit(
      name,
      sessions.map(({ token }) => ({ token, add: { key: 'b', mark: 'late' } })),
    );
    await b.held('save', ids.length);
    const touched = b.flush(name);
    const noted = b.journal(ids);
    await b.held('touch', ids.length);

    const half = Math.ceil(ids.length / 2);
    const logouts = sessions.slice(0, half).map(({ token }) => ({ token, logout: true }));
    const [left, ended] = await Promise.all([a.visit(name, logouts), a.end(name, ids.slice(half))]);
    const unended = left.filter((told) => !told.acknowledged).length + ended.filter((one) => !one).length;
    assert.equal(unended, 0, 'every session is ended while the late writes are held');
    await look();
    for (const verb of verbs) await b.release(verb);
    const told = await late;
    await Promise.all([touched, noted]);
    for (const [at, one] of told.entries()) if (one.acknowledged) revived.add(ids[at] as string);
    await look();
  }
  return revived.size;
}
