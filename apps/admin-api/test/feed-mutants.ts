import { ADMIN, basic, type Fixture } from './fixture.js';

/** The API, broken on purpose in one way. */
export interface ApiMutant {
  readonly name: string;
  breaks(f: Fixture): void;
}

type Fetch = Fixture['api']['fetch'];

/** Stands in front of the API. */
export function before(name: string, change: (fetch: Fetch) => Fetch): ApiMutant {
  return { name, breaks: ({ api }) => void Object.assign(api, { fetch: change(api.fetch) }) };
}

/** Asks for something else than it was asked. */
const asking = (name: string, change: (request: Request) => Request) =>
  before(name, (fetch) => (request, peer) => fetch(change(request), peer));

const isFeed = ({ headers }: Response) => headers.get('content-type') === 'text/event-stream';
const withBody = ({ status, headers }: Response, body: ReadableStream<Uint8Array>) =>
  new Response(body, { status, headers });

/** Tells other frames than those that there are; each begins with its fields and has no blank line. */
function telling(name: string, change: (frame: string, number: number) => readonly string[]): ApiMutant {
  return before(name, (fetch) => async (request, peer) => {
    const response = await fetch(request, peer);
    if (!isFeed(response) || response.body === null) return response;
    const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
    let rest = '';
    let number = 0;
    const changed = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        const frames = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) {
          if (/^(?:id|event)/.test(frame)) number += 1;
          for (const told of change(frame, number)) controller.enqueue(encoder.encode(`${told}\n\n`));
        }
      },
    });
    return withBody(response, response.body.pipeThrough(changed));
  });
}

const without = (word: string) =>
  telling(`leaves out ${word}`, (frame) => (frame.includes(`event: ${word}`) ? [] : [frame]));

/** Says something else of each event. */
const saying = (name: string, change: (data: Record<string, unknown>) => void) =>
  telling(name, (frame) => {
    const [head = '', text] = frame.split('data: ');
    if (text === undefined) return [frame];
    const data = JSON.parse(text) as Record<string, unknown>;
    change(data);
    return [`${head}data: ${JSON.stringify(data)}`];
  });

const deaf = (parameter: string) =>
  asking(`does not look at ${parameter}`, (request) => {
    const url = new URL(request.url);
    url.searchParams.delete(parameter);
    return new Request(url, request);
  });

type Watch = Fixture['manager']['watch'];
const watching = (name: string, change: (watch: Watch) => Watch): ApiMutant => ({
  name,
  breaks: ({ manager }) => {
    Object.assign(manager, { watch: change(manager.watch.bind(manager)) });
  },
});

export const feedMutants: readonly ApiMutant[] = [
  ...['created', 'changed', 'login', 'rotated', 'altered', 'restarted', 'ended', 'refused'].map(without),
  telling('tells everything twice', (frame) => [frame, frame]),
  telling('gives each event the same number', (frame) => [frame.replace(/^id: \d+/, 'id: 1')]),
  saying('does not say who ended it', (data) => void delete data.by),
  saying('does not say why it ended', (data) => void delete data.cause),
  saying('does not say whose it is', (data) => void delete data.user),
  saying('shows more than it may', (data) => Object.assign(data, { token: 'x' })),
  saying('takes all for its own', (data) => Object.assign(data, { elsewhere: false })),
  saying('takes nothing for its own', (data) => Object.assign(data, { elsewhere: true })),
  watching('hears nothing of others', () => () => () => undefined),
  watching(
    'hears of others twice',
    (watch) => (listener) =>
      watch((change) => {
        listener(change);
        listener({ ...change, version: change.version + 100 });
      }),
  ),
  {
    name: 'tells of sessions of anybody',
    breaks({ manager }) {
      const more = { group: 'more', options: {}, close: async () => undefined };
      Object.assign(manager, { services: new Map<string, unknown>([...manager.services, ['more', more]]) });
    },
  },
  ...['event', 'id', 'user', 'service'].map(deaf),
  asking('lets everybody see what an admin sees', (request) => {
    const headers = new Headers(request.headers);
    headers.set('authorization', basic(ADMIN.name, ADMIN.password));
    return new Request(request, { headers });
  }),
  before('collects for a slow reader whatever comes', (fetch) => async (request, peer) => {
    const response = await fetch(request, peer);
    const { body } = response;
    if (!isFeed(response) || body === null) return response;
    const reader = body.getReader();
    const collected = new ReadableStream<Uint8Array>({
      async start(controller) {
        void (async () => {
          for (;;) {
            const { done, value } = await reader.read();
            if (done) break;
            controller.enqueue(value);
          }
          controller.close();
        })().catch(() => undefined);
      },
      cancel: () => reader.cancel(),
    });
    return withBody(response, collected);
  }),
  before('does not notice that a reader has gone', (fetch) => async (request, peer) => {
    const response = await fetch(request, peer);
    const { body } = response;
    if (!isFeed(response) || body === null) return response;
    const reader = body.getReader();
    const kept = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        },
      },
      { highWaterMark: 0 },
    );
    return withBody(response, kept);
  }),
  telling('does not say why it ends', (frame) => (frame.includes('event: end\n') ? [] : [frame])),
];
