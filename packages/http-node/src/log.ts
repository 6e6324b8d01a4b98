import type { Visit } from '@sessionkit/session-core';
import type { HttpSettings } from './settings.js';

export function logFault(settings: HttpSettings, visit: Visit, message: string, error: unknown): void {
  settings.environment.log({
    level: 'error',
    message,
    service: visit.service,
    session: visit.session.id,
    error,
  });
}
