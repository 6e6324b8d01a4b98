export type { AccessEntry } from './access.js';
export { type AdminApi, type AdminApiOptions, createAdminApi } from './api.js';
export type { Operator } from './auth.js';
export { configuredFilters, configuredModules, configuredServers, shownParameters } from './configured.js';
export { type NodeHandler, type NodeHandlerOptions, toNodeHandler } from './embed.js';
export { type FirstUserInFile, firstUserInFile } from './first-user.js';
export { createMeter, type Lag, type Load, type Meter, type ThreadInfo, thisThread } from './meter.js';
export type { Authenticate } from './own-auth.js';
export type { ScryptCost } from './password.js';
export type { Peer } from './peer.js';
export type { DnsResolver } from './rdns.js';
export type { MetricsText } from './route.js';
export { type AdminServer, type ServeOptions, serveAdmin } from './serve.js';
export { MOST_KEPT, SETTING_NAMES, type SettingName, Settings, type SettingValues } from './settings.js';
export type {
  ListenerInfo,
  LogLine,
  ModuleInfo,
  Parameters,
  ProcessLog,
  Reloaded,
  ServerInfo,
  ServiceInfo,
  Switch,
  Switched,
  System,
  Traffic,
} from './system.js';
export { checkTls, type TlsFiles } from './tls.js';
export { isAdminToken } from './tokens.js';
export {
  type Account,
  createUsers,
  type FirstUser,
  firstUser,
  type User,
  type Users,
  type UsersOptions,
} from './users.js';
