export {
  type HttpOptions,
  type HttpSettings,
  httpSettings,
  openUpgrade,
  refuseUpgrade,
  type Upgrade,
} from '@sessionkit/http-node';
export { type RouteAccess, type SessionPluginOptions, sessionOf, sessionPlugin } from './plugin.js';
