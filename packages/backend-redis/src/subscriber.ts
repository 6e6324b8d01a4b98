import type { IoRedisSubscriber, Listener, Subscription } from './client.js';

/** How long to wait before the next connection, when one is lost for good, in ms. */
const PAUSE = 100;

/** What a connection of ioredis needs to hear and nothing else: it is subscribed anew each time that it is ready. */
export const LISTENER_OPTIONS = { lazyConnect: true, enableOfflineQueue: false, autoResubscribe: false };

/**
 * Hears `channel` on a connection that `make` answers, and on the next one when that is lost for good, until closed. Resolves when it hears, or when the first attempt to
 * connect has failed.
 */
export async function listen(
  make: () => IoRedisSubscriber | undefined,
  channel: string,
  { onMessage, onHeard, onFault }: Listener,
): Promise<Subscription> {
  let closed = false;
  let current: IoRedisSubscriber | undefined;
  const later = () => {
    if (!closed) setTimeout(() => closed || void begin(), PAUSE).unref();
  };
  const begin = () =>
    new Promise<void>((settled) => {
      const subscriber = make();
      current = subscriber;
      if (subscriber === undefined) {
        onFault(new Error('no server is known'));
        later();
        settled();
        return;
      }
      subscriber.on('error', (error) => {
        onFault(error);
        settled();
      });
      subscriber.on('message', (_, message = '') => onMessage(message));
      subscriber.on('ready', () => {
        subscriber.subscribe(channel).then(onHeard).catch(onFault).finally(settled);
      });
      subscriber.on('end', () => {
        settled();
        later();
      });
      // What goes wrong is an `error` event too.
      subscriber.connect().catch(() => settled());
    });
  await begin();
  return {
    close() {
      if (!closed) current?.disconnect();
      closed = true;
    },
  };
}
