import type { LogLevel } from '@sessionkit/session-core';

export const LEVELS = ['debug', 'info', 'notice', 'warning', 'error'] as const satisfies readonly LogLevel[];
