export { type FetchVisit, type Opening, openFetch } from './answer.js';
export { type FetchHandler, type FetchHandlerOptions, sessionFetch } from './handler.js';
export {
  type HonoContext,
  type HonoMiddleware,
  keepSession,
  requireSession,
  type SessionEnv,
  sessionMiddleware,
} from './hono.js';
export { type FetchOptions, type FetchSettings, fetchSettings, type Peer } from './settings.js';
