export type { AccessEntry } from './access.js';
export { type AdminApi, type AdminApiOptions, createAdminApi, type Peer } from './api.js';
export type { ScryptCost } from './password.js';
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
