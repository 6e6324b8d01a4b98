import type { AnyModule, ConfigSchema, ModuleKind } from '@sessionkit/session-core';
import { coerceSubstituted, type Fields } from './check-map.js';
import type { ModuleUse } from './config.js';
import { reportIssues } from './issues.js';
import { type ModuleLoader, specifierOf } from './modules.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';
import { isLocal, splitSpecifier } from './resolve.js';
import { jsonSchemaOf } from './schema-view.js';

/** Checks the sections that belong to modules, each by the schema of its module. */
export class Sections {
  readonly #loader: ModuleLoader;
  readonly #report: Report;
  readonly #missing = new Set<string>();

  constructor(loader: ModuleLoader, report: Report) {
    this.#loader = loader;
    this.#report = report;
  }

  /** @param section A map whose `type` (`_class` of a resource) is text. */
  async check(kind: ModuleKind, section: Fields, path: Path): Promise<ModuleUse | undefined> {
    const word = kind === 'resource' ? '_class' : 'type';
    const type = String(section[word]);
    const { module, problem } = await this.#loader.load(kind, type);
    if (problem !== undefined) {
      // One package is installed once, however many sections wait for it.
      if (problem.code === 'MODULE_MISSING' && this.#missing.has(problem.message)) return undefined;
      this.#missing.add(problem.message);
      this.#report.problem([...path, word], problem.message, problem.fix, problem.code);
      return undefined;
    }
    const specifier = specifierOf(kind, type);
    const name = isLocal(specifier) ? specifier : splitSpecifier(specifier)[0];
    const config = await this.#validate(module, kind, { ...section, [word]: module.type }, path, name);
    return config === undefined ? undefined : { module, config, path };
  }

  async #validate(
    module: AnyModule,
    kind: ModuleKind,
    value: Fields,
    path: Path,
    name: string,
  ): Promise<unknown> {
    const { config }: { config: ConfigSchema } = module;
    const schema = jsonSchemaOf(config);
    coerceSubstituted(value, path, schema, this.#report);
    let result: { readonly value?: unknown; readonly issues?: readonly unknown[] | undefined };
    try {
      result = (await config['~standard'].validate(value)) as typeof result;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#report.problem(path, `the schema of ${name} failed: ${reason}`, 'correct the module');
      return undefined;
    }
    if (result.issues === undefined) return result.value;
    const fix = isLocal(name) ? `see what ${name} takes` : `see "YAML" in the README of ${name}`;
    reportIssues(result.issues, { value, path, schema, fix, discreet: kind !== 'transport' }, this.#report);
    return undefined;
  }
}
