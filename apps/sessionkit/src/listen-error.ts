import type { ListenerConfig } from '@sessionkit/compose';
import { SessionError } from '@sessionkit/session-core';

/** Why a listener cannot be opened, and what to do about it. */
export function listenError(config: ListenerConfig, cause: NodeJS.ErrnoException): SessionError {
  const why = whyNot(cause, config.address, config.port);
  return new SessionError('CONFIG_INVALID', `listeners.${config.name}: ${why}`, { cause });
}

function whyNot({ code, message }: NodeJS.ErrnoException, address: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} on ${address} is taken by another program. Stop that one, or choose another port (0 takes any free one).`;
    case 'EACCES':
      return `port ${port} on ${address} needs privileges that this process lacks. Choose a port from 1024.`;
    case 'EADDRNOTAVAIL':
      return `this machine has no address ${address}. Choose one that it has, or 0.0.0.0 for all of them.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name ${address} has no address. Correct it, or give an IP address.`;
    default:
      return `cannot listen on port ${port} of ${address}: ${message}`;
  }
}
