import { assert } from './report.mjs';

/** An operator at an admin API. */
export class Operator {
  #url;
  #headers;

  constructor(url, password) {
    this.#url = url;
    this.#headers = { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` };
  }

  request(method, path, body, options = {}) {
    return fetch(`${this.#url}/v1/${path}`, {
      method,
      headers: this.#headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      ...options,
    });
  }

  async read(path) {
    const answer = await this.request('GET', path);
    assert.equal(answer.status, 200, `GET ${path}`);
    return (await answer.json()).data;
  }

  /** A metric of the process in the text format of Prometheus, summed over its labels; undefined when there is none. */
  async metric(name) {
    const answer = await fetch(`${this.#url}/metrics`, { headers: this.#headers });
    assert.equal(answer.status, 200, '/metrics');
    const samples = [...(await answer.text()).matchAll(/^(\w+)(?:\{.*\})? (\S+)$/gm)];
    const found = samples.filter(([, each]) => each === name);
    return found.length === 0 ? undefined : found.reduce((sum, [, , value]) => sum + Number(value), 0);
  }

  async change(method, path, body) {
    const answer = await this.request(method, path, body);
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Attributes of a living session. */
  async session(id) {
    return (await this.read(`sessions/${id}`)).attributes;
  }

  alter(id, attributes) {
    return this.change('PATCH', `sessions/${id}`, { data: { attributes } });
  }

  filters(id, names) {
    const filters = { data: names.map((name) => ({ id: name, type: 'filters' })) };
    return this.change('PATCH', `sessions/${id}`, { data: { relationships: { filters } } });
  }

  end(id, query = '') {
    return this.change('DELETE', `sessions/${id}${query}`);
  }

  restart(id, query = '') {
    return this.change('POST', `${id === undefined ? 'sessions' : `sessions/${id}`}/restart${query}`);
  }
}
