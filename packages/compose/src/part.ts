import { isDeepStrictEqual } from 'node:util';
import { SessionError } from '@sessionkit/session-core';
import type { ModuleUse } from './config.js';
import { formatPath, type Path } from './problem.js';

/** Something that was made of a section, until it is closed. */
export class Part<Value = unknown, Use extends ModuleUse = ModuleUse> {
  readonly use: Use;
  readonly value: Value;
  readonly #end: () => unknown;
  #closing: Promise<void> | undefined;

  constructor(use: Use, value: Value, end: () => unknown) {
    this.use = use;
    this.value = value;
    this.#end = end;
  }

  /** Once, however often it is asked for. */
  close(): Promise<void> {
    this.#closing ??= (async () => void (await this.#end()))();
    return this.#closing;
  }
}

/** Whether two sections say the same to the same module. */
export function sameUse(one: ModuleUse, other: ModuleUse): boolean {
  return one.module === other.module && isDeepStrictEqual(one.config, other.config);
}

/** Adds the path in the file to what a module throws. */
export async function at<T>(path: Path, make: () => T | Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    const { code, retryable } =
      error instanceof SessionError ? error : ({ code: 'CONFIG_INVALID', retryable: false } as const);
    const message = error instanceof Error ? error.message : String(error);
    throw new SessionError(code, `${formatPath(path)}: ${message}`, { retryable, cause: error });
  }
}

/** Closes all of them, one after the other, whatever fails. @throws what failed, as an `AggregateError` when it is more than one. */
export async function closeAll(closers: Iterable<() => Promise<void>>): Promise<void> {
  const faults: unknown[] = [];
  for (const close of closers) {
    try {
      await close();
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length === 1) throw faults[0];
  if (faults.length > 1) throw new AggregateError(faults, 'several parts could not be closed');
}
