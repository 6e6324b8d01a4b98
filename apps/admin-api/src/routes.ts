import type { Route } from './route.js';
import { ROOT_ROUTES } from './routes-root.js';
import { SERVICE_ROUTES } from './routes-services.js';
import { SESSION_ROUTES } from './routes-sessions.js';

/** The table of routes: what stands here is what the API does, but for `/healthz` and `/readyz`. */
export const ROUTES: readonly Route[] = [...ROOT_ROUTES, ...SESSION_ROUTES, ...SERVICE_ROUTES];
