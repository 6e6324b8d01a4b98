// What the processes of the example read: the gateways one file, the admin API another.

/** The section of a resource, and of the backend on it, for the URL of a store. */
export function storeOf(url) {
  if (/^rediss?:/.test(url))
    return {
      name: 'Redis',
      backend: '{ type: redis, resource: store }',
      resource: `{ _class: redis, url: "${url}" }`,
    };
  if (!/^postgres(?:ql)?:/.test(url)) throw new Error('the URL of a store begins with redis: or postgres:');
  const { hostname, port, username, password, pathname } = new URL(url);
  const login = password === '' ? '' : `, password: "${decodeURIComponent(password)}"`;
  const server = `host: ${hostname}, port: ${port || 5432}, user: ${decodeURIComponent(username)}${login}, database: ${pathname.slice(1)}`;
  return {
    name: 'PostgreSQL',
    backend: '{ type: postgres, resource: store, create_table: true }',
    resource: `{ _class: postgres, server: { ${server} } }`,
  };
}

/**
 * @param parts `servers`: those of the service; `port`: of the listener; `admin`: the value of the section
 */
export function yamlOf({ store, upstreams, servers = ['blue', 'green'], port = 0, admin }) {
  const [blue, green] = upstreams;
  return `
session:
  transport: { type: cookie, cookie_name: sid }
  backend: ${store.backend}
  max_per_user: { max: 1, full: oldest }
resources: { store: ${store.resource} }
servers:
  blue: { url: "${blue}", steer: true }
  green: { url: "${green}", steer: true }
filters:
  requests: { type: log, level: info }
  answers: { type: cache, per_session: { entries: 10 }, ttl: 60 }
  gentle: { type: limit, rate: { requests: 2, per: 3600 } }
services:
  shop:
    router: { type: proxy, servers: [${servers.join(', ')}] }
  brief:
    session: { transport: { type: cookie, cookie_name: brief }, idle_timeout: 3 }
    router: { type: proxy, servers: [blue, green] }
listeners: { public: { service: shop, port: ${port} }, brief: { service: brief, port: 0 } }
admin: ${admin}
`;
}
