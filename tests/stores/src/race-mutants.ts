import type { Backend } from '@sessionkit/session-core';
import type { Address } from '@sessionkit/testkit';

/** An adapter with one rule taken out, for each of the rules that the races are about. */
export interface RaceMutants<Name extends string> {
  readonly names: readonly Name[];
  /** The one whose save stores whatever it is given. */
  readonly upserting: Name;
  /**
   * The backend with this rule broken, on the server at the first of these addresses, apart from what the others keep there. Closing it closes its client, which is
   * its own.
   */
  make(name: Name, addresses: readonly Address[]): Promise<Backend>;
}

/** A client with some of its members replaced. */
export function withMembers<T extends object>(target: T, members: Partial<NoInfer<T>>): T {
  return new Proxy(target, {
    get(_, asked) {
      if (Object.hasOwn(members, asked)) return Reflect.get(members, asked);
      const value: unknown = Reflect.get(target, asked);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
