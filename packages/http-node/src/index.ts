export { type OnRefusal, type OpenOptions, openVisit } from './answer.js';
export { type SessionHandler, sessionHandler } from './handler.js';
export { type SessionMiddleware, type SessionRequest, sessionMiddleware, sessionOf } from './middleware.js';
export { type Problem, problem } from './problem.js';
export { redactUrl } from './redact.js';
export { nodeRequest } from './request.js';
export { type HttpOptions, type HttpSettings, httpSettings, type Trust } from './settings.js';
export { openUpgrade, refuseUpgrade, type Upgrade } from './upgrade.js';
