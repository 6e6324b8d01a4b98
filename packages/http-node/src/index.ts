export { type Answer, attach, type OnRefusal, type OpenOptions, openVisit } from './answer.js';
export { type FieldHolder, setFields } from './fields.js';
export { type HandlerOptions, type SessionHandler, sessionHandler } from './handler.js';
export {
  noteOpened,
  requireSession,
  type SessionMiddleware,
  type SessionRequest,
  sessionMiddleware,
  sessionOf,
} from './middleware.js';
export { redactUrl } from './redact.js';
export { nodeRequest } from './request.js';
export { type HttpOptions, type HttpSettings, httpSettings } from './settings.js';
export {
  attachUpgrade,
  isUpgrade,
  openUpgrade,
  refuseUpgrade,
  type Upgrade,
  upgradeRequest,
} from './upgrade.js';
