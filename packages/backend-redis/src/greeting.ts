import type { Millis } from '@sessionkit/session-core';
import type { Redis } from 'ioredis';

/**
 * Gives a connection up on which a server has not greeted in time. ioredis has a timeout for connecting and one for silence; a server that takes connections and says
 * nothing would keep each new one for as long as the latter.
 */
export function greetedWithin(ms: Millis, client: Redis): void {
  client.on('connect', () => {
    const { stream } = client;
    const giveUp = () => {
      if (client.stream === stream && client.status === 'connect') stream.destroy();
    };
    setTimeout(giveUp, ms).unref();
  });
}
