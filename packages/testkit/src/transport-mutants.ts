import type { AnswerContext, HeaderField, RequestView, Token, Transport } from '@sessionkit/session-core';

/** A transport that is broken on purpose in one way. It leaves alone a transport to which that way does not apply. */
export interface TransportMutant {
  readonly name: string;
  breaks(sound: Transport): Transport;
}

type Reader = (request: RequestView, sound: Transport) => readonly string[];
type Fields = readonly HeaderField[];

const reading = (name: string, read: Reader): TransportMutant => ({
  name,
  breaks: (sound) => ({ ...sound, read: (request) => read(request, sound) }),
});

const issuing = (
  name: string,
  change: (fields: Fields, sound: Transport, token: Token, maxAge: number, context: AnswerContext) => Fields,
): TransportMutant => ({
  name,
  breaks: (sound) => ({
    ...sound,
    issue: (token, maxAge, context) =>
      change(sound.issue(token, maxAge, context), sound, token, maxAge, context),
  }),
});

/** Rewrites the text of each Set-Cookie, of issued and cleared cookies alike. */
const cookies = (name: string, change: (text: string) => string): TransportMutant => {
  const all = (fields: Fields): Fields =>
    fields.map(([field, value]) => [field, field === 'set-cookie' ? change(value) : value]);
  return {
    name,
    breaks: (sound) => ({
      ...sound,
      issue: (token, maxAge, context) => all(sound.issue(token, maxAge, context)),
      clear: (context) => all(sound.clear(context)),
    }),
  };
};

const declaring = (name: string, lie: (sound: Transport) => Partial<Transport>): TransportMutant => ({
  name,
  breaks: (sound) => ({ ...sound, ...lie(sound) }),
});

const challenging = (
  name: string,
  challenge: (sound: Transport) => Transport['challenge'],
): TransportMutant => ({
  name,
  breaks: (sound) => ({ ...sound, challenge: challenge(sound) }),
});

const byScheme = (sound: Transport) => sound.carrier.requestHeader === 'authorization';
const field = (name: string, value: string): HeaderField => [name, value];
const aged = (fields: Fields, seconds: number): Fields =>
  fields.map(([name, value]) => [name, value.replace(/; Max-Age=\d+/i, `; Max-Age=${seconds}`)]);
const without = (fields: Fields, name: string) => fields.filter(([each]) => each !== name);

const readers: readonly TransportMutant[] = [
  reading('invents a value where there is none', (request, sound) => {
    const values = sound.read(request);
    return values.length === 0 ? [''] : values;
  }),
  reading('reads nothing at all', () => []),
  reading('takes the last value only', (request, sound) => sound.read(request).slice(-1)),
  reading('turns the order round', (request, sound) => sound.read(request).toReversed()),
  reading('reads two values at most', (request, sound) => sound.read(request).slice(0, 2)),
  reading('reads as many values as there are', (request, sound) => {
    const { cookie, query, requestHeader = '' } = sound.carrier;
    if (query !== undefined) return request.query(query);
    const text = request.header(cookie === undefined ? requestHeader : 'cookie') ?? '';
    const found = text.split(cookie === undefined ? ', ' : '; ').map((part) => part.split(/[= ]/)[1] ?? '');
    return found.length > 3 ? found : sound.read(request);
  }),
  reading('judges the form of a token itself', (request, sound) =>
    sound.read(request).filter((value) => value.length === 71),
  ),
  reading('changes the case of values', (request, sound) =>
    sound.read(request).map((value) => value.toLowerCase()),
  ),
  reading('throws on an escape that is none', (request, sound) =>
    sound.read(request).map(decodeURIComponent),
  ),
  reading('throws on a header that it can not take apart', (request, sound) => {
    const { cookie, query, requestHeader = '' } = sound.carrier;
    const text = request.header(cookie === undefined ? requestHeader : 'cookie');
    if (query === undefined && text?.includes('"""')) throw new SyntaxError('unexpected quote');
    return sound.read(request);
  }),
  reading('looks into X-Session-Token as well', (request, sound) => {
    const more = request.header('x-session-token');
    return more === undefined ? sound.read(request) : [...sound.read(request), more].slice(0, 3);
  }),
  reading('asks for header names as they are written', (request, sound) => {
    request.header('Authorization');
    return sound.read(request);
  }),
  {
    name: 'remembers the last value it read',
    breaks: (sound) => {
      let last: readonly string[] = [];
      return {
        ...sound,
        read(request) {
          const values = sound.read(request);
          if (values.length > 0) last = values;
          return last;
        },
      };
    },
  },
  {
    name: 'reads the token that it has just issued',
    breaks: (sound) => {
      let issued: readonly string[] = [];
      return {
        ...sound,
        issue(token, maxAge, context) {
          issued = [token];
          return sound.issue(token, maxAge, context);
        },
        read: (request) => (sound.read(request).length === 0 ? issued : sound.read(request)),
      };
    },
  },
  reading('takes cookies apart at semicolon and space only', (request, sound) => {
    const { cookie } = sound.carrier;
    if (cookie === undefined || request.header('cookie')?.startsWith(`${cookie}=`))
      return sound.read(request);
    const pairs = request.header('cookie')?.split('; ') ?? [];
    return pairs.filter((pair) => pair.startsWith(`${cookie}=`)).map((pair) => pair.slice(cookie.length + 1));
  }),
  reading('finds the name of the cookie anywhere', (request, sound) => {
    const { cookie } = sound.carrier;
    const values = sound.read(request);
    if (cookie === undefined || values.length > 0) return values;
    const text = request.header('cookie') ?? '';
    const at = text.indexOf(`${cookie}=`);
    return at < 0 ? [] : [text.slice(at + cookie.length + 1)];
  }),
  reading('keeps the quotes of a cookie', (request, sound) => {
    const quoted = request.header('cookie')?.includes('="') === true && sound.carrier.cookie !== undefined;
    return sound.read(request).map((value) => (quoted ? `"${value}"` : value));
  }),
  reading('wants the scheme as RFC 6750 writes it', (request, sound) =>
    byScheme(sound) && request.header('authorization')?.startsWith('Bearer') === false
      ? []
      : sound.read(request),
  ),
  reading('takes whatever stands in Authorization', (request, sound) => {
    const text = byScheme(sound) ? request.header('authorization') : undefined;
    const values = sound.read(request);
    return text === undefined || values.length > 0 ? values : [text.slice(text.lastIndexOf(' ') + 1)];
  }),
  reading('gives up when another scheme comes first', (request, sound) =>
    byScheme(sound) && request.header('authorization')?.startsWith('Basic') ? [] : sound.read(request),
  ),
];

const issuers: readonly TransportMutant[] = [
  issuing('hands out no token', () => []),
  issuing('hands out every token twice', (fields) => [...fields, ...fields]),
  issuing('tells the token in a second field', (fields, _sound, token) => [
    ...fields,
    field('x-token', token),
  ]),
  issuing('cuts the last character off', (fields, _sound, token) =>
    fields.map(([name, value]) => [name, value.replace(token, token.slice(0, -1))]),
  ),
  {
    name: 'hands out the first token for ever',
    breaks: (sound) => {
      let first: Token | undefined;
      return {
        ...sound,
        issue(token, maxAge, context) {
          first ??= token;
          return sound.issue(first, maxAge, context);
        },
      };
    },
  },
  issuing('writes field names with capitals', (fields) =>
    fields.map(([name, value]) => [name.replace(/^./, (letter) => letter.toUpperCase()), value]),
  ),
  {
    name: 'puts what it is given into a field as it is',
    breaks: (sound) => ({ ...sound, issue: (token) => [field(sound.carrier.responseHeader, token)] }),
  },
  {
    name: 'repeats the value in its error',
    breaks: (sound) => ({
      ...sound,
      issue(token, maxAge, context) {
        if (/[^\w.-]/.test(token)) throw new TypeError(`not a token: ${token}`);
        return sound.issue(token, maxAge, context);
      },
    }),
  },
  issuing('does not expose its field to scripts', (fields) =>
    without(fields, 'access-control-expose-headers'),
  ),
  issuing('lets Referer carry the token away', (fields) => without(fields, 'referrer-policy')),
  cookies('lets scripts read the cookie', (text) => text.replace(/; HttpOnly/i, '')),
  cookies('sends the cookie over plain connections', (text) => text.replace(/; Secure/i, '')),
  cookies('leaves SameSite to the browser', (text) => text.replace(/; SameSite=\w+/i, '')),
  issuing(
    'keeps a cookie for ten years when the session may live that long',
    (fields, _sound, _token, maxAge) => (maxAge > 86_400 ? aged(fields, 315_360_000) : fields),
  ),
  issuing('keeps a cookie for a day whatever is left of the session', (fields) => aged(fields, 86_400)),
  {
    name: 'clears a cookie of another path',
    breaks: (sound) => ({
      ...sound,
      clear: (context) =>
        sound.clear(context).map(([name, value]) => [name, value.replace('; Path=/', '; Path=/x')]),
    }),
  },
  declaring('clears nothing', () => ({ clear: () => [] })),
  {
    name: 'clears over encrypted connections only',
    breaks: (sound) => ({ ...sound, clear: (context) => (context.secure ? sound.clear(context) : []) }),
  },
  declaring('sends a header to clear what the client keeps', (sound) =>
    sound.ambient ? {} : { clear: () => [field(sound.carrier.responseHeader, '-')] },
  ),
];

const challengers: readonly TransportMutant[] = [
  challenging('takes the token away with every refusal', (sound) => () => sound.clear({ secure: true })),
  challenging('hands out a token with a refusal', (sound) => () => [
    field(sound.carrier.responseHeader, 'x'),
  ]),
  challenging('challenges whatever the reason', (sound) => (code, presented) => {
    const fields = sound.challenge(code, presented);
    return fields.length > 0 || !byScheme(sound) ? fields : sound.challenge('session_invalid', presented);
  }),
  challenging(
    'names a scheme that it does not read',
    (sound) => (code, presented) =>
      byScheme(sound) ? sound.challenge(code, presented) : [field('www-authenticate', 'Bearer')],
  ),
  challenging(
    'says invalid_token to those who showed none',
    (sound) => (code) => sound.challenge(code, true),
  ),
  challenging('never says what is wrong', (sound) => (code) => sound.challenge(code, false)),
  challenging('never challenges', () => () => []),
  challenging(
    'says invalid_token for a bad request',
    (sound) => (code, presented) =>
      sound.challenge(code === 'bad_request' ? 'session_invalid' : code, presented),
  ),
];

const liars: readonly TransportMutant[] = [
  declaring('has no type', () => ({ type: '' })),
  declaring('writes the names of its headers with capitals', ({ carrier }) => ({
    carrier: { ...carrier, responseHeader: carrier.responseHeader.toUpperCase() },
  })),
  declaring('names no carrier of requests', ({ carrier }) => ({
    carrier: { responseHeader: carrier.responseHeader },
  })),
  declaring('names another cookie, parameter or header than it reads', ({ carrier }) => ({
    carrier: {
      responseHeader: carrier.responseHeader,
      ...(carrier.cookie !== undefined && { cookie: `${carrier.cookie}2` }),
      ...(carrier.query !== undefined && { query: `${carrier.query}2` }),
      ...(carrier.requestHeader !== undefined && { requestHeader: `x-${carrier.requestHeader}` }),
    },
  })),
  declaring('says that it is not ambient', () => ({ ambient: false })),
  declaring('says that it is ambient', () => ({ ambient: true })),
  declaring('says that it is lenient', () => ({ lenient: true })),
  declaring('says that it is strict', () => ({ lenient: false })),
  declaring('does not vary', () => ({ vary: undefined })),
  declaring('varies by everything', () => ({ vary: '*' })),
];

/** What a suite must catch, one broken transport after another. */
export const transportMutants: readonly TransportMutant[] = [
  ...readers,
  ...issuers,
  ...challengers,
  ...liars,
];
