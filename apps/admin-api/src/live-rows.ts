import { can, type SessionId, type SessionInfo, type SessionManager } from '@sessionkit/session-core';
import type { Live } from './documents-live.js';
import { parseCollectionQuery, type RawQuery } from './query/query.js';
import type { Call } from './route.js';

/** Attributes that the journal tells, and those that processes tell of what they hold. */
const ACTIVITY = ['log', 'queries'];
const HOLDINGS = ['connections', 'io_activity', 'memory', 'pending', 'thread'];
/** Rows of a list never have these. */
const OF_DATA = ['memory/data', 'memory/total'];
/** So many sessions are shown whole without being asked to. */
const FEW = 1_000;

/** What of it is asked for. */
interface Parts {
  readonly activity: boolean;
  readonly held: boolean;
}

/** Asks for what sessions do and hold, for all of `ids` at once. @throws SessionError `BACKEND_*` */
export async function readLive(
  ids: readonly SessionId[],
  manager: SessionManager,
  { activity, held }: Parts,
): Promise<(id: SessionId) => Live> {
  const [activities, holdings] = await Promise.all([
    activity ? manager.activity(ids) : undefined,
    held ? manager.holdings(ids) : undefined,
  ]);
  return (id) => ({ activity: activities?.get(id), held: holdings?.get(id) });
}

/** Names of the attributes of one session, or of sessions of any service, that cannot be told, or not in full. */
export function unknownOf(
  { manager, activity }: Pick<Call, 'manager' | 'activity'>,
  group?: string,
): readonly string[] {
  const backends = [...manager.services.values()]
    .filter((service) => group === undefined || service.group === group)
    .flatMap(({ options: { backend } }) => backend ?? []);
  // What only this process can know, it knows.
  const told = backends.every((backend) => can(backend, 'presence') || !backend.traits.shared);
  const kept = backends.every((backend) => can(backend, 'journal'));
  return [...(told ? [] : HOLDINGS), ...(kept && activity ? [] : ACTIVITY)].sort();
}

/** What a list of sessions shows of what they do and hold: of each piece of its rows at once, and of none of a list that nobody asked to have it. */
export class LiveRows {
  /** Whether a filter looks at it, so that it is needed of all rows and not only of those that are sent. */
  readonly early: boolean;
  readonly #call: Call;
  readonly #names: ReadonlySet<string>;
  readonly #fields: boolean;
  readonly #paged: boolean;
  /** @see {@link #decide} */
  readonly #isSmall: () => Promise<boolean>;
  #parts: Parts | undefined;

  /** @param size how many sessions the list has, as far as the store can tell. @throws AdminError 400 */
  constructor(call: Call, query: RawQuery, size: () => Promise<number>) {
    const { fields, filters, page } = parseCollectionQuery(query);
    const own = fields.get('sessions');
    const filtered = filters.flatMap(({ place }) => attributesAt(place));
    this.early = filtered.length > 0;
    this.#call = call;
    this.#names = new Set([...filtered, ...(own ?? []).flatMap(([name]) => name ?? [])]);
    this.#fields = own !== undefined;
    this.#paged = page !== undefined;
    this.#isSmall = async () => (await size()) <= FEW;
  }

  /** Answers it of each of some sessions; undefined when none of it is asked for. @throws SessionError `BACKEND_*` */
  async of(sessions: readonly SessionInfo[]): Promise<((id: SessionId) => Live) | undefined> {
    this.#parts ??= await this.#decide();
    if (!this.#parts.activity && !this.#parts.held) return undefined;
    return readLive(
      sessions.map(({ id }) => id),
      this.#call.manager,
      this.#parts,
    );
  }

  /** To be asked when the rows have been sent. A list without rows leaves out nothing. */
  get unknown(): readonly string[] {
    const { activity = true, held = true } = this.#parts ?? {};
    const names = [...unknownOf(this.#call), ...(held ? OF_DATA : HOLDINGS)];
    if (!activity) names.push(...ACTIVITY);
    return [...new Set(names)].sort();
  }

  async #decide(): Promise<Parts> {
    const [activity, held] = [this.#isNamed(ACTIVITY), this.#isNamed(HOLDINGS)];
    // Of what is not shown nobody asks.
    const rest = !this.#fields && (this.#paged || (await this.#isSmall()));
    return { activity: this.#call.activity && (activity || rest), held: held || rest };
  }

  #isNamed(names: readonly string[]): boolean {
    return names.some((name) => this.#names.has(name));
  }
}

/** Which of these attributes a filter looks at. */
function attributesAt(place: string | undefined): readonly string[] {
  const [top, name] = place?.split('/') ?? [];
  if (top !== 'attributes' && top !== '*') return [];
  const all = [...ACTIVITY, ...HOLDINGS];
  return name === '*' ? all : all.filter((each) => each === name);
}
