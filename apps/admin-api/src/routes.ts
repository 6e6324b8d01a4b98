import type { Route } from './route.js';
import { AUTH_ROUTES } from './routes-auth.js';
import { DRAFT_ROUTES } from './routes-draft.js';
import { EVENT_ROUTES } from './routes-events.js';
import { MAXSCALE_ROUTES } from './routes-maxscale.js';
import { METRICS_ROUTES } from './routes-metrics.js';
import { RELOAD_ROUTES } from './routes-reload.js';
import { RESOURCE_ROUTES } from './routes-resources.js';
import { ROOT_ROUTES } from './routes-root.js';
import { SERVICE_ROUTES } from './routes-services.js';
import { SESSION_ROUTES } from './routes-sessions.js';
import { USER_ROUTES } from './routes-users.js';

/** The table of routes: what stands here is what the API does, but for `/healthz` and `/readyz`. */
export const ROUTES: readonly Route[] = [
  ...ROOT_ROUTES,
  ...AUTH_ROUTES,
  ...EVENT_ROUTES,
  ...SESSION_ROUTES,
  ...DRAFT_ROUTES,
  ...SERVICE_ROUTES,
  ...RESOURCE_ROUTES,
  ...MAXSCALE_ROUTES,
  ...METRICS_ROUTES,
  ...RELOAD_ROUTES,
  ...USER_ROUTES,
];
