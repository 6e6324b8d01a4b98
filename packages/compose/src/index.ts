export type { Change } from './changes.js';
export {
  type ComposedService,
  type ComposeOptions,
  type Composition,
  compose,
  type Prepared,
} from './compose.js';
export type {
  AdminConfig,
  BackendUse,
  CheckedConfig,
  CheckedService,
  CheckedSession,
  ListenerConfig,
  ModuleUse,
  ResourceUse,
} from './config.js';
export { configSchema } from './json-schema.js';
export type { ModuleSource } from './modules.js';
export { ConfigError, formatPath, formatProblems, type Path, type Problem } from './problem.js';
export { type ConfigSource, type Reading, type ReadOptions, readConfig } from './read.js';
export type { JsonSchema } from './schema-view.js';
export { sqlOf } from './sql.js';
export type { Variables } from './variables.js';
