const EXTERNAL = '/node/controller/setupAlternateAddresses/external';
/** Where relays and proxies of tests listen: an alternate address there is one that tests have set. */
const LOOPBACK = '127.0.0.1';
const TOLD_WITHIN = 10_000;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A node that holds documents. */
interface CouchbaseNode extends Address {
  /** Of its REST interface, `http://HOST:PORT`. */
  readonly management: string;
}

interface Described {
  readonly hostname?: string;
  readonly thisNode?: boolean;
  readonly services: { readonly kv?: number; readonly mgmt?: number };
  readonly alternateAddresses?: {
    readonly external?: { readonly hostname: string; readonly ports?: { readonly kv?: number } };
  };
}

/**
 * A cluster by its REST interface: https://docs.couchbase.com/server/current/rest-api/rest-intro.html. What is asked here changes the cluster, so that the user has to be
 * one of its administrators.
 */
export class CouchbaseCluster {
  readonly #management: string;
  readonly #login: string;
  readonly #bucket: string;
  #told: readonly Address[] = [];

  /** @param management `http://HOST:PORT` of one of the nodes. */
  constructor(management: string, user: string, password: string, bucket: string) {
    this.#management = management;
    this.#login = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    this.#bucket = bucket;
  }

  /** The nodes that hold documents, the first one is that which was asked if it is one of them. */
  async nodes(): Promise<CouchbaseNode[]> {
    const { protocol, hostname: asked } = new URL(this.#management);
    const found = (await this.#described('/pools/default/nodeServices')).flatMap(
      ({ thisNode = false, hostname = asked, services: { kv, mgmt }, alternateAddresses }) => {
        const other = alternateAddresses?.external?.hostname;
        if (other !== undefined && other !== LOOPBACK)
          throw new Error(
            `the node ${hostname} has the alternate address ${other}, which the tests would replace: give COUCHBASE_URL a cluster without alternate addresses`,
          );
        const management = thisNode ? this.#management : `${protocol}//${hostname}:${mgmt}`;
        return kv === undefined ? [] : [{ host: hostname, port: kv, management, thisNode }];
      },
    );
    return found
      .sort((a, b) => Number(b.thisNode) - Number(a.thisNode))
      .map(({ host, port, management }) => ({ host, port, management }));
  }

  /**
   * Clients that ask for the network `external` come to the nodes by these addresses from now on, one for each node, in their order:
   * https://docs.couchbase.com/server/current/rest-api/rest-set-up-alternate-address.html
   */
  async advertise(places: readonly Address[]): Promise<void> {
    if (JSON.stringify(places) === JSON.stringify(this.#told)) return;
    const nodes = await this.nodes();
    if (places.length !== nodes.length)
      throw new Error(`${nodes.length} nodes have been given ${places.length} addresses`);
    await Promise.all(
      nodes.map(({ management }, at) => {
        const { host, port } = places[at] as Address;
        return this.#ask('PUT', `${management}${EXTERNAL}`, { hostname: host, kv: `${port}` });
      }),
    );
    this.#told = places;
    // What a bucket's clients are told follows a moment later.
    const limit = performance.now() + TOLD_WITHIN;
    const isTold = (described: readonly Described[]) =>
      places.every(({ port }) =>
        described.some(({ alternateAddresses }) => alternateAddresses?.external?.ports?.kv === port),
      );
    while (!isTold(await this.#described(`/pools/default/b/${this.#bucket}`))) {
      if (performance.now() > limit) throw new Error('the cluster does not tell its alternate addresses');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Takes the alternate addresses away that were set here. */
  async forget(): Promise<void> {
    if (this.#told.length === 0) return;
    this.#told = [];
    const nodes = await this.nodes();
    await Promise.all(nodes.map(({ management }) => this.#ask('DELETE', `${management}${EXTERNAL}`)));
  }

  /** Adds a collection of the bucket, and its scope, where they are not there: https://docs.couchbase.com/server/current/rest-api/scopes-and-collections-api.html */
  async addCollection(scope: string, collection: string): Promise<void> {
    const path = `${this.#management}/pools/default/buckets/${this.#bucket}/scopes`;
    const { scopes } = (await this.#ask('GET', path)) as {
      readonly scopes: readonly {
        readonly name: string;
        readonly collections: readonly { name: string }[];
      }[];
    };
    const there = scopes.find(({ name }) => name === scope);
    if (there === undefined) await this.#ask('POST', path, { name: scope });
    if (there?.collections.some(({ name }) => name === collection)) return;
    await this.#ask('POST', `${path}/${scope}/collections`, { name: collection });
  }

  /** Into how many partitions the bucket is divided. */
  async partitions(): Promise<number> {
    const path = `${this.#management}/pools/default/b/${this.#bucket}`;
    const { vBucketServerMap } = (await this.#ask('GET', path)) as {
      readonly vBucketServerMap: { readonly vBucketMap: readonly unknown[] };
    };
    return vBucketServerMap.vBucketMap.length;
  }

  async #described(path: string): Promise<readonly Described[]> {
    const { nodesExt } = (await this.#ask('GET', `${this.#management}${path}`)) as {
      readonly nodesExt: readonly Described[];
    };
    return nodesExt;
  }

  async #ask(method: string, url: string, form?: Readonly<Record<string, string>>): Promise<unknown> {
    const answer = await fetch(url, {
      method,
      headers: { authorization: this.#login },
      signal: AbortSignal.timeout(TOLD_WITHIN),
      ...(form && { body: new URLSearchParams(form) }),
    }).catch((cause: unknown) => {
      throw new Error(
        `nobody answers at ${new URL(url).origin}: COUCHBASE_REST=http://HOST:PORT says where the REST interface of the cluster is`,
        { cause },
      );
    });
    const text = await answer.text();
    if (!answer.ok)
      throw new Error(
        `${method} ${url} answers ${answer.status}: the user of COUCHBASE_URL has to be an administrator`,
      );
    return text === '' ? undefined : JSON.parse(text);
  }
}
