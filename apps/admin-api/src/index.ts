export type { AccessEntry } from './access.js';
export { type AdminApi, type AdminApiOptions, createAdminApi } from './api.js';
export type { Operator } from './auth.js';
export type { Authenticate } from './own-auth.js';
export type { ScryptCost } from './password.js';
export type { Peer } from './peer.js';
export type { DnsResolver } from './rdns.js';
export { type AdminServer, type ServeOptions, serveAdmin } from './serve.js';
export {
  type Account,
  createUsers,
  type FirstUser,
  firstUser,
  type User,
  type Users,
  type UsersOptions,
} from './users.js';
