export { type ConnectPgSimpleOptions, connectPgSimple, type OldPool } from './connect-pg-simple.js';
export { type ConnectRedisOptions, connectRedis, type OldRedisClient } from './connect-redis.js';
export type { SessionCookie } from './cookie.js';
export { type ExpressSessionOptions, expressSession, sessionOf } from './middleware.js';
export type { OldAppOptions } from './old-cookie.js';
export type { Done, ExpressSession } from './session.js';
export { passportUser, type SessionData, type UserOf } from './user.js';
