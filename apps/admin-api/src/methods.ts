import { AdminError, notFound } from './errors.js';

const KNOWN = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Which methods each path has: for `OPTIONS`, and for what no route is there for. */
export class Methods {
  readonly #paths = new Map<string, { readonly form: RegExp; readonly methods: Set<string> }>();

  /** @param path with `{name}` for a segment */
  add(method: string, path: string): void {
    const known = this.#paths.get(path);
    const { methods } = known ?? this.#add(path);
    methods.add(method.toUpperCase());
    if (method === 'get') methods.add('HEAD');
  }

  /**
   * What to answer where no route fits.
   * @throws AdminError 404; 405 for a method that nothing here has.
   */
  answer(method: string, path: string): Response {
    const allowed = [...this.#paths.values()]
      .filter(({ form }) => form.test(path))
      .flatMap(({ methods }) => [...methods]);
    if (allowed.length === 0) throw notFound();
    const list = [...new Set([...allowed, 'OPTIONS'])].sort().join(', ');
    if (!KNOWN.has(method)) throw new AdminError(405, 'Nothing here has this method.', { Allow: list });
    if (method !== 'OPTIONS') throw notFound();
    // `Accept` is where clients of MaxScale look.
    const headers: Record<string, string> = { Allow: list, Accept: list };
    if (allowed.includes('PATCH')) headers['Accept-Patch'] = 'application/json';
    return new Response(null, { status: 200, headers });
  }

  #add(path: string) {
    const literal = (text: string) => text.replace(/[.*+?^$()|[\]\\]/g, '\\$&');
    const form = new RegExp(
      `^${path
        .split(/\{\w+\}/)
        .map(literal)
        .join('[^/]+')}$`,
    );
    const added = { form, methods: new Set<string>() };
    this.#paths.set(path, added);
    return added;
  }
}
