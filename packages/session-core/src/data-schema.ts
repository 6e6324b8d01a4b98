/** One thing that a schema finds wrong. */
export interface DataIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema answers. */
export type DataResult<Output = unknown> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly DataIssue[] };

/** As much of Standard Schema (version 1, https://standardschema.dev) as data needs: schemas of zod, valibot, arktype and others have it. */
export interface DataSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => DataResult<Output> | Promise<DataResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

type TypesOf<Schema extends DataSchema> = NonNullable<Schema['~standard']['types']>;

/** What a schema takes: what `set` takes and the store keeps. */
export type InputOf<Schema extends DataSchema> = TypesOf<Schema>['input'];

/** What a schema makes of it: what `get` answers. */
export type OutputOf<Schema extends DataSchema> = TypesOf<Schema>['output'];

/** What the data of a service's sessions is. */
export interface DataOptions<Schema extends DataSchema = DataSchema> {
  /**
   * Any Standard Schema for the data as a whole. It must take `{}`, the data of a new session: each key is optional or has a default. It validates
   * synchronously.
   */
  readonly schema: Schema;
  /** Of what the schema takes: raise it with a change that older data does not fit. A whole number, at least 1, which is the default. */
  readonly version?: number | undefined;
  /**
   * Makes data of an older version (0: written without a schema) into what the schema takes. Called when somebody looks at it or changes it, and stored with the next
   * change. Synchronous, and may run again. Default: as it is.
   */
  readonly migrate?:
    | ((old: Readonly<Record<string, unknown>>, fromVersion: number) => InputOf<Schema>)
    | undefined;
}

/** A value as a session hands it out: read-only through and through. */
export type Frozen<Value> = Value extends object
  ? { readonly [Key in keyof Value]: Frozen<Value[Key]> }
  : Value;

/** A JSON merge patch (RFC 7396) of a value. */
export type Patch<Value> = Value extends readonly unknown[]
  ? Frozen<Value>
  : Value extends object
    ? { readonly [Key in keyof Value]?: Patch<Value[Key]> | null | undefined }
    : Value;
