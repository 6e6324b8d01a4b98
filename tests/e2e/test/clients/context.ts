import { type App, startApp, startUpstream } from '../app.js';
import { type Answer, cookieOf, idOf, send } from '../client.js';
import { at, type Operator } from '../operator.js';

/** What the rows work on. */
export interface Context {
  readonly app: App;
  /** An admin at the command line. */
  readonly operator: Operator;
}

/** One command of a client: the requests that it sends, what it reads, and the effect. */
export type Row = readonly [command: string, run: (context: Context) => Promise<void>];

/** A session as a browser has it. */
export interface Browser {
  readonly id: string;
  visit(): Promise<Answer>;
}

/** A gateway with one service that has filters. */
export async function startGateway(): Promise<App> {
  const upstream = await startUpstream((request, response) => {
    if (request.method === 'POST') response.setHeader('x-session-user', 'ann');
    response.end('here');
  });
  return startApp(`
session: { auto_create: true, transport: { type: cookie }, backend: { type: memory } }
servers: { server1: { url: "${upstream}", steer: true } }
filters: { requests: { type: log }, "second one": { type: log, level: notice } }
services: { shop: { filters: [requests], router: { type: proxy, servers: [server1], sign_key: "${'0'.repeat(20)}" } } }
listeners: { public: { service: shop, port: 0 }, other: { service: shop, port: 0 } }
admin: { listen: "127.0.0.1:0" }
`);
}

/** Logs ann in. */
export async function login({ app }: Context): Promise<Browser> {
  const cookie = cookieOf(await send(app.public, { method: 'POST' }));
  return { id: idOf(cookie), visit: () => send(app.public, { headers: { cookie } }) };
}

export const isAlive = async ({ visit }: Browser) => (await visit()).status === 200;

/** The resource with this id. */
export const of = (all: readonly unknown[], id: string) => all.find((one) => at(one, 'id') === id);

/** The body that sets parameters. */
export const parameters = (values: object) => ({ data: { attributes: { parameters: values } } });
