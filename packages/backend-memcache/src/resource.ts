import { CONTRACT_VERSION, type Millis, type ResourceModule } from '@sessionkit/session-core';
import { MemcacheClient } from 'memcache-client';
import { z } from 'zod';

/** How long core waits for the store, in ms, where nobody says it. */
const DEADLINE: Millis = 2_000;
/** A command on which nobody waits any more ends with its connection by then, in ms. */
const SILENT_LONGER: Millis = 500;

const host = z
  .string()
  .regex(
    /^[^\s:/[\]]+$/,
    'is no host: write a name or an IPv4 address; memcache-client takes no IPv6 address',
  );
const port = z.int().min(1).max(65_535);

const config = z
  .strictObject({
    _class: z.literal('memcache'),
    host: host
      .optional()
      .describe(
        'The server: a name or an IPv4 address; for an IPv6 address, which `memcache-client` does not take, name the host',
      ),
    port: port.optional().describe('Its port; with `host`. Default: `11211`'),
    servers: z
      .array(
        z.strictObject({
          host: host.describe('A server'),
          port: port.default(11_211).describe('Its port'),
        }),
      )
      .min(1)
      .optional()
      .describe('Several servers in place of `host`: each has its share of the sessions'),
    pool_size: z.int().min(1).max(1_000).default(10).describe('Largest number of connections to a server'),
    connect_timeout: z
      .number()
      .min(0.001)
      .default(0.75)
      .describe('Seconds that making a connection may take'),
    tls: z
      .union([
        z.boolean(),
        z.strictObject({
          ca: z.string().optional().describe('Certificates to trust, PEM'),
          cert: z.string().optional().describe('Certificate of this client, PEM'),
          key: z.string().optional().describe('Its key, PEM'),
        }),
      ])
      .default(false)
      .describe('TLS; the certificate of the server is always checked'),
  })
  .superRefine(({ host, port, servers }, context) => {
    const report = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    if ((host === undefined) === (servers === undefined))
      report([], 'needs one of host (one server) and servers: give exactly one');
    if (servers !== undefined && port !== undefined)
      report(['port'], 'goes with host, not with servers, which have one each: leave it out');
    const names = new Set<string>();
    for (const [at, server] of (servers ?? []).entries()) {
      const name = `${server.host}:${server.port}`;
      if (names.has(name)) report(['servers', at], `${name} is there already: name each server once`);
      names.add(name);
    }
  });

type Config = z.infer<typeof config>;

/** A client of memcache-client for each connection that there may be. None connects before it is asked something, and none asks twice. */
const module: ResourceModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'resource',
  type: 'memcache',
  config,
  create({ host = '', port = 11_211, servers = [{ host, port }], ...section }, { deadline = DEADLINE }) {
    return servers.flatMap((server) =>
      Array.from(
        { length: section.pool_size },
        () =>
          new MemcacheClient({
            server: { server: `${server.host}:${server.port}`, maxConnections: 1 },
            cmdTimeout: deadline + SILENT_LONGER,
            connectTimeout: Math.ceil(section.connect_timeout * 1_000),
            noDelay: true,
            ...tlsOf(section.tls, server.host),
          }),
      ),
    );
  },
  async close(clients) {
    for (const client of clients as MemcacheClient[]) client.shutdown();
  },
};

function tlsOf(tls: Config['tls'], host: string) {
  if (tls === false) return {};
  const given = Object.entries(tls === true ? {} : tls).filter(([, value]) => value !== undefined);
  return { tls: { servername: host, ...Object.fromEntries(given) } };
}

export default module;
