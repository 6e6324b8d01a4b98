/** What is sent as a parameter. Everything travels as text. */
export type Value = string | number | boolean | null | readonly (string | number)[];

/** A query as `pg` takes it. */
export interface PgQuery {
  readonly name?: string;
  readonly text: string;
  values?: Value[];
  readonly rowMode: 'array';
  readonly types: { getTypeParser(): (value: unknown) => unknown };
}

interface PgEvents {
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** As much of a checked-out client of `pg` (8.x) as is used. */
export interface PgClient extends PgEvents {
  /** By these the server knows what to cancel. */
  readonly processID?: number | null;
  readonly secretKey?: number | null;
  query(query: PgQuery | string): Promise<{ readonly rows: readonly unknown[] }>;
  /** Destroys the connection when an error is given. */
  release(error?: Error): void;
}

/** A connection of `pg` (8.x) for notices, outside the pool. */
export interface PgListener {
  on(event: 'error' | 'end' | 'notification', listener: (about: never) => void): unknown;
  connect(): Promise<unknown>;
  query(text: string): Promise<unknown>;
  end(): Promise<unknown>;
  /** The native client of `pg` has none. */
  readonly connection?: { readonly stream: { destroy(): unknown } };
}

/** As much of a `pg.Pool` (8.x) as is used: hand in yours. */
export interface PgPool extends PgEvents {
  connect(): Promise<PgClient>;
  /** What the pool makes its connections with; the connection for notices is made with them too. */
  readonly options: object;
}
