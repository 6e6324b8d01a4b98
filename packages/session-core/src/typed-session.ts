import { EMPTY_DATA } from './data.js';
import { LiveSession, type SessionHost } from './live-session.js';
import type { SessionRecord } from './record.js';
import type { TypedData } from './typed-data.js';

/** The handler's view of data that has a schema. Nothing is validated that nobody looks at or changes. */
export class TypedSession extends LiveSession {
  readonly #data: TypedData;
  /** What the schema made of a text. */
  #seen: { readonly text: string; readonly values: Readonly<Record<string, unknown>> } | undefined;

  constructor(host: SessionHost, data: TypedData) {
    super(host);
    this.#data = data;
  }

  override get<T = unknown>(key: string): T | undefined {
    return this.all()[key] as T | undefined;
  }

  override all(): Readonly<Record<string, unknown>> {
    const { text } = this;
    if (this.#seen?.text !== text) this.#seen = { text, values: this.#data.read(text) };
    return this.#seen.values;
  }

  override verify(): void {
    this.#data.check(this.text);
  }

  protected override textOf(record: SessionRecord | undefined): string {
    return record === undefined ? EMPTY_DATA : this.#data.textOf(record);
  }

  protected override accept(key: string, text: string): void {
    this.#data.checkKey(key, text);
  }
}
