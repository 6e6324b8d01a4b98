import { once } from 'node:events';
import { get } from 'node:http';
import { WebSocket } from 'ws';
import { assert, eventually, pause } from './report.mjs';

/** How long a client tries before it gives up, in ms. */
const PATIENCE = 60_000;

/** A browser of one user: it keeps its cookie, and may use either gateway. */
export class Client {
  #gateways;
  #turn = 0;
  #cookie = '';
  #going = true;
  #loop;
  /** The last visit that was answered with 200. */
  acknowledged = 0;
  /** Answers that were no 200 and connections that broke, while it visited. */
  troubles = {};

  constructor(user, gateways) {
    this.user = user;
    this.#gateways = gateways;
  }

  get id() {
    return this.#cookie.split('=')[1]?.split('.')[0];
  }

  async send(path, { gateway = 0, signal } = {}) {
    const answer = await fetch(this.#gateways[gateway] + path, {
      headers: this.#cookie === '' ? {} : { cookie: this.#cookie },
      signal,
    });
    for (const field of answer.headers.getSetCookie()) this.#cookie = field.split(';')[0];
    const { status, headers } = answer;
    return { status, body: await answer.text(), headers };
  }

  async login(gateway = 0) {
    const { status } = await this.send(`/login?user=${this.user}`, { gateway });
    assert.equal(status, 200, `login of ${this.user}`);
    return this;
  }

  /** Until it is acknowledged, at the one gateway or the other. A session that is lost is not asked for again. */
  async visit() {
    const n = this.acknowledged + 1;
    for (const begun = performance.now(); performance.now() - begun < PATIENCE; await pause(50)) {
      this.#turn += 1;
      const trouble = await this.send(`/visit?n=${n}`, { gateway: this.#turn % 2 }).then(
        ({ status, body }) => {
          if (status === 200) this.acknowledged = n;
          else if (status === 401) throw new LostSession(`${this.user}: ${body}`);
          return status;
        },
        (error) => error.cause?.code ?? error.name,
      );
      if (trouble === 200) return;
      this.troubles[trouble] = (this.troubles[trouble] ?? 0) + 1;
    }
    throw new Error(`${this.user} was not served for ${PATIENCE} ms: ${JSON.stringify(this.troubles)}`);
  }

  /** Visits again and again, until {@link rest}. */
  keepVisiting(interval) {
    const visits = async () => {
      while (this.#going) {
        await this.visit();
        await pause(interval);
      }
    };
    this.#loop = visits();
    // Whoever waits for it is told.
    this.#loop.catch(() => {});
    return this;
  }

  /** Resolves when the visit under way is acknowledged; rejects if the session was lost. */
  async rest() {
    this.#going = false;
    await this.#loop;
  }

  /** A WebSocket; `over` tells its close code and reason. */
  async socket(gateway) {
    const url = `${this.#gateways[gateway].replace('http', 'ws')}/socket`;
    const socket = new WebSocket(url, { headers: { cookie: this.#cookie } });
    const over = once(socket, 'close').then(([code, reason]) => `${code} ${reason}`);
    over.catch(() => {});
    await once(socket, 'open');
    return {
      over,
      isOpen: () => socket.readyState === WebSocket.OPEN,
      async echo(text) {
        const answer = once(socket, 'message');
        socket.send(text);
        const [message] = await answer;
        assert.equal(String(message), `echo ${text}`);
      },
    };
  }

  /** A stream of events; `over` tells the last event. */
  async events(gateway) {
    const headers = { cookie: this.#cookie };
    const request = get(`${this.#gateways[gateway]}/events`, { headers, agent: false });
    const [response] = await once(request, 'response');
    assert.equal(response.statusCode, 200);
    let text = '';
    let open = true;
    const over = new Promise((resolve) => {
      const finish = () => {
        open = false;
        resolve(text.trimEnd().split('\n\n').at(-1).replace('\n', ' '));
      };
      response.on('error', finish).on('end', finish);
    });
    response.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    await eventually('the first event', () => text.length > 0);
    return { over, isOpen: () => open };
  }
}

class LostSession extends Error {}
