import {
  checkName,
  EMPTY_DATA,
  isThenable,
  normaliseData,
  parseFrozen,
  readKey,
  toJson,
  writeKey,
} from './data.js';
import type { DataIssue, DataOptions, DataResult } from './data-schema.js';
import { SessionError } from './errors.js';
import type { SessionRecord } from './record.js';

type Values = Readonly<Record<string, unknown>>;

/** The words of a schema. They may quote data, so that they are a cause and no message: messages are logged. */
class DataIssues extends Error {
  override readonly name = 'DataIssues';

  constructor(readonly issues: readonly DataIssue[]) {
    super(issues.map((issue) => `${pathOf(issue)}: ${issue.message}`).join('; '));
  }
}

/**
 * What the data of a service's sessions has to be. The store keeps what the schema takes, never what it makes of it: defaults and transforms are applied when data is read,
 * so that changes are replayed key by key as without a schema.
 */
export class TypedData {
  readonly version: number;
  readonly #service: string;
  readonly #options: DataOptions;
  /** The text that was found good last: what a visit has checked is not checked again when it is stored. */
  #good = EMPTY_DATA;

  /** @throws SessionError `CONFIG_INVALID`. */
  constructor(service: string, options: DataOptions) {
    this.#service = service;
    this.#options = options;
    this.version = options.version ?? 1;
    if (!Number.isSafeInteger(this.version) || this.version < 1)
      throw this.#invalid(`data.version must be a whole number, at least 1, not ${String(options.version)}`);
    if (typeof options.schema?.['~standard']?.validate !== 'function')
      throw this.#invalid('data.schema must be a Standard Schema, such as one of zod, valibot or arktype');
    this.#tryEmpty();
  }

  /**
   * The data of a record as this version has it.
   * @throws SessionError `UNSUPPORTED` (written by a newer version), `INVALID_VALUE` (migrate failed), `RECORD_CORRUPT`.
   */
  textOf({ data, dataVersion }: SessionRecord): string {
    const text = normaliseData(data);
    if (dataVersion === this.version || text === EMPTY_DATA) return text;
    if (dataVersion > this.version) {
      const versions = `version ${dataVersion} of its schema, and this process knows version ${this.version}`;
      const message = `service "${this.#service}": the data of the session was written by ${versions}; a process of the newer version can serve it`;
      throw new SessionError('UNSUPPORTED', message, { retryable: true, clientCode: 'store_unavailable' });
    }
    const { migrate } = this.#options;
    return migrate === undefined ? text : this.#migrated(migrate, text, dataVersion);
  }

  /** What the schema makes of data, frozen. @throws SessionError `INVALID_VALUE`. */
  read(text: string): Values {
    const result = this.#validate(text);
    if (result.issues !== undefined) throw this.#wrong(result.issues);
    this.#good = text;
    return frozenCopy(result.value) as Values;
  }

  /**
   * Looks at a change of one key. What it makes wrong elsewhere, a later change may still put right.
   * @throws SessionError `INVALID_VALUE` naming the path.
   */
  checkKey(key: string, text: string): void {
    const result = this.#validate(text);
    if (result.issues !== undefined) {
      const own = result.issues.filter(({ path }) => path?.[0] !== undefined && segment(path[0]) === key);
      if (own.length > 0) throw this.#wrong(own);
      return;
    }
    if (!Object.hasOwn(result.value as object, key) && readKey(text, key) !== undefined) {
      const message = `service "${this.#service}": data.schema has no key ${JSON.stringify(key)}`;
      throw new SessionError('INVALID_VALUE', message);
    }
    this.#good = text;
  }

  /**
   * Looks at the data as a whole before it is stored.
   * @param merged it has changes of other requests in it, which the change did not reckon with
   * @throws SessionError `INVALID_VALUE`; client code `conflict` when it was good without these changes.
   */
  check(text: string, merged = false): void {
    if (text === this.#good) return;
    const result = this.#validate(text);
    if (result.issues !== undefined) throw this.#wrong(result.issues, merged);
    this.#good = text;
  }

  #tryEmpty(): void {
    let result: DataResult;
    try {
      result = this.#validate(EMPTY_DATA);
    } catch (cause) {
      if (!(cause instanceof SessionError)) throw cause;
      throw this.#invalid(cause.code === 'UNSUPPORTED' ? ASYNC : 'data.schema threw for {}', cause);
    }
    if (result.issues === undefined) return;
    const paths = result.issues.map(pathOf).join(', ');
    const fix = 'a new session has no data, so make each key optional or give it a default';
    throw this.#invalid(`data.schema does not take {} (${paths}): ${fix}`, new DataIssues(result.issues));
  }

  #validate(text: string): DataResult {
    let result: DataResult | Promise<DataResult>;
    try {
      result = this.#options.schema['~standard'].validate(JSON.parse(text));
    } catch (cause) {
      throw this.#fault('data.schema threw', cause);
    }
    if (!(result instanceof Promise)) return result;
    result.catch(() => undefined);
    throw new SessionError('UNSUPPORTED', `service "${this.#service}": ${ASYNC}`);
  }

  #migrated(migrate: NonNullable<DataOptions['migrate']>, text: string, from: number): string {
    let made: unknown;
    try {
      made = migrate(parseFrozen(text) as Values, from);
    } catch (cause) {
      throw this.#fault(`data.migrate threw for data of version ${from}`, cause);
    }
    if (typeof made !== 'object' || made === null || Array.isArray(made) || isThenable(made))
      throw this.#fault(`data.migrate must answer an object, at once, for data of version ${from}`);
    let migrated = EMPTY_DATA;
    for (const [key, value] of Object.entries(made)) {
      checkName('the key', key);
      if (value !== undefined) migrated = writeKey(migrated, key, toJson(key, value));
    }
    return migrated;
  }

  #wrong(issues: readonly DataIssue[], merged = false): SessionError {
    const paths = [...new Set(issues.map(pathOf))].join(', ');
    const why = merged ? ', together with what another request has stored meanwhile' : '';
    return new SessionError(
      'INVALID_VALUE',
      `service "${this.#service}": the data of the session does not fit data.schema at ${paths}${why}`,
      { cause: new DataIssues(issues), ...(merged && { clientCode: 'conflict' as const }) },
    );
  }

  #fault(message: string, cause?: unknown): SessionError {
    return new SessionError('INVALID_VALUE', `service "${this.#service}": ${message}`, { cause });
  }

  #invalid(message: string, cause?: unknown): SessionError {
    return new SessionError('CONFIG_INVALID', `service "${this.#service}": ${message}`, { cause });
  }
}

const ASYNC =
  'data.schema validates asynchronously, which a session can not wait for: check such things before set';

function segment(part: PropertyKey | { readonly key: PropertyKey }): string {
  return String(typeof part === 'object' ? part.key : part);
}

/** `cart[0].price`. */
function pathOf({ path = [] }: DataIssue): string {
  let shown = '';
  for (const part of path) {
    const name = segment(part);
    if (/^\d+$/.test(name)) shown += `[${name}]`;
    else if (!/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name)) shown += `[${JSON.stringify(name)}]`;
    else shown += shown === '' ? name : `.${name}`;
  }
  return shown === '' ? 'the top' : shown;
}

/** A copy, as a schema may answer objects of the application's: its defaults. Objects have no prototype; those of classes are left as they are. */
function frozenCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return value;
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, member] of Object.entries(value)) copy[key] = frozenCopy(member);
  return Object.freeze(copy);
}
