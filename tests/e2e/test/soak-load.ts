import { setTimeout as pause } from 'node:timers/promises';
import { cookieOf, idOf, send } from './client.js';
import type { Fleet } from './fleet.js';
import { type Hold, holdEvents, holdSocket, told } from './holds.js';

export interface LoadOptions {
  /** Sessions that live at a time. */
  readonly sessions: number;
  /** Between two actions, in ms. */
  readonly pace: number;
  readonly seed: number;
  /** Names of filters that sessions are given. */
  readonly given: readonly string[];
}

interface Soaked {
  readonly id: string;
  readonly cookie: string;
  readonly user: string;
  readonly holds: Map<Hold, 'socket' | 'events'>;
  ended: boolean;
}

type Action = (session: Soaked) => Promise<void>;

/** Connections that one session has open at a time. */
const HOLDS = 2;
/** Actions under way at a time. */
const MOST = 8;
/** How long a client waits until it is told that its session is over, in ms. */
const TOLD_WITHIN = 7_000;
/** What a visit may be answered: also that its session is over, or its limit. */
const VISITED: ReadonlySet<number> = new Set([200, 401, 429]);
const STEERED: ReadonlySet<number> = new Set([200, 204, 404]);

/** What clients and operators do at random. */
export class Load {
  /** What was done how often. */
  readonly actions: Record<string, number> = {};
  /** What went otherwise than it may. */
  readonly wrong: string[] = [];
  readonly #fleet: Fleet;
  readonly #options: LoadOptions;
  readonly #alive = new Set<Soaked>();
  #state: number;
  #users = 0;

  constructor(fleet: Fleet, options: LoadOptions) {
    this.#fleet = fleet;
    this.#options = options;
    this.#state = options.seed;
  }

  readonly #mix: readonly (readonly [name: string, share: number, action: Action])[] = [
    ['visit', 8, (session) => this.#visit(session)],
    ['open a connection', 4, (session) => this.#hold(session)],
    ['close a connection', 2, (session) => this.#release(session)],
    ['set log levels', 1, (session) => this.#alter(session, { attributes: this.#levels() })],
    ['set filters', 1, (session) => this.#alter(session, { relationships: this.#filters() })],
    ['restart', 1, ({ id }) => this.#operate('POST', `/${id}/restart`)],
    ['look', 2, ({ id }) => this.#operate('GET', this.#random() < 0.3 ? '' : `/${id}`)],
    [
      'end: killed',
      1,
      (session) => this.#end(session, 'killed', () => this.#operate('DELETE', `/${session.id}`)),
    ],
    [
      'end: ttl',
      1,
      (session) => this.#end(session, 'killed', () => this.#operate('DELETE', `/${session.id}?ttl=1`)),
    ],
    ['end: logout', 1, (session) => this.#end(session, 'logout', () => this.#request(session, '/logout'))],
    ['end: limit', 1, (session) => this.#end(session, 'limit', () => this.#create(session.user))],
  ];

  async run(length: number): Promise<void> {
    const underWay = new Set<Promise<void>>();
    for (const begun = Date.now(); Date.now() - begun < length; await pause(this.#options.pace)) {
      // Where the machine is slower than the pace, nothing piles up.
      if (underWay.size >= MOST) await Promise.race(underWay);
      const act = this.#act().finally(() => underWay.delete(act));
      underWay.add(act);
    }
    await Promise.all(underWay);
  }

  stop(): void {
    for (const { holds } of this.#alive) for (const each of holds.keys()) each.close();
  }

  async #act(): Promise<void> {
    const session = this.#one([...this.#alive]);
    const [name, , action] =
      session === undefined || this.#alive.size < this.#options.sessions
        ? (['create', 1, () => this.#create(`user${this.#users++}`)] as const)
        : this.#one(this.#mix.flatMap((each) => Array.from({ length: each[1] }, () => each)));
    this.actions[name] = (this.actions[name] ?? 0) + 1;
    await action(session as Soaked).catch((error) => this.wrong.push(`${name}: ${error}`));
  }

  async #create(user: string): Promise<void> {
    const cookie = cookieOf(await send(`${this.#gateway}/login?user=${user}`));
    this.#alive.add({ id: idOf(cookie), cookie, user, holds: new Map(), ended: false });
  }

  async #visit(session: Soaked): Promise<void> {
    await this.#request(session, '/visit');
  }

  async #request({ cookie }: Soaked, path: string): Promise<void> {
    const { status } = await send(this.#gateway + path, { headers: { cookie } });
    if (!VISITED.has(status)) throw new Error(`${path} was answered ${status}`);
  }

  async #operate(method: string, path: string, body?: unknown): Promise<void> {
    const answer = await this.#fleet.ask(
      method,
      `/v1/sessions${path}`,
      body === undefined ? undefined : JSON.stringify(body),
    );
    if (!STEERED.has(answer.status))
      throw new Error(`${method} was answered ${answer.status} ${answer.body}`);
  }

  #alter({ id }: Soaked, change: object): Promise<void> {
    return this.#operate('PATCH', `/${id}`, { data: change });
  }

  #levels() {
    return { parameters: { log_info: this.#random() < 0.5 } };
  }

  #filters() {
    const names = this.#options.given.filter(() => this.#random() < 0.5);
    return { filters: { data: names.map((id) => ({ id, type: 'filters' })) } };
  }

  async #hold(session: Soaked): Promise<void> {
    if (session.holds.size >= HOLDS) return;
    const kind = this.#random() < 0.5 ? 'socket' : 'events';
    const open = kind === 'socket' ? holdSocket : holdEvents;
    try {
      const hold = await open(this.#gateway, session.cookie);
      if (session.ended) hold.close();
      else session.holds.set(hold, kind);
    } catch (error) {
      // It was ended meanwhile, or its filters say that this is enough.
      if (!/\b(?:401|429)\b/.test(String(error))) throw error;
    }
  }

  async #release({ holds }: Soaked): Promise<void> {
    const hold = this.#one([...holds.keys()]);
    if (hold === undefined) return;
    holds.delete(hold);
    hold.close();
  }

  /** Every client that holds the session open is told, and why. */
  async #end(session: Soaked, cause: string, how: () => Promise<void>): Promise<void> {
    this.#alive.delete(session);
    session.ended = true;
    const held = [...session.holds];
    await how();
    for (const [hold, kind] of held) {
      const over = await Promise.race([hold.over, pause(TOLD_WITHIN, undefined, { ref: false })]);
      if (over?.told !== told(cause)[kind])
        this.wrong.push(`a client was told "${over?.told}" in place of ${cause}`);
      hold.close();
    }
  }

  /** From 0 to 1; the same sequence for the same seed (mulberry32). */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  #one<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)] as T;
  }

  get #gateway(): string {
    return this.#one(this.#fleet.gateways);
  }
}
