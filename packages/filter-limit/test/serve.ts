import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Exchange, Filter, FilterTarget } from '@sessionkit/session-core';
import { onTestFinished } from 'vitest';

/** A server behind one filter session; `log` is what the filter writes into the log of the session. */
export async function serve(
  filter: Filter,
  answer: (response: ServerResponse) => unknown = (response) => response.end('passed'),
) {
  const log: string[] = [];
  const target: Pick<FilterTarget, 'service' | 'log'> = {
    service: 'family',
    log: (level, line) => void log.push(`${level} ${line}`),
  };
  const session = await filter.open(target as FilterTarget);
  const server = createServer((request, response) => {
    const over = new Promise<void>((resolve) => response.once('close', resolve));
    const next = async () => {
      await answer(response);
      await over;
    };
    session.handle({ request, response, service: 'shop' } as Exchange, next).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { log, url: `http://127.0.0.1:${port}` };
}
