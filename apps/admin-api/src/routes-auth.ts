import { z } from '@hono/zod-openapi';
import { AdminError } from './errors.js';
import { withFiles } from './files.js';
import { type Route, route } from './route.js';
import { DEFAULT_AGE } from './tokens.js';

const YES = new Set(['true', 'yes', 'on', '1']);
/** Of 32 bits, as the contract has it. What is longer than the longest is cut, what is no number of seconds is ignored. */
const AGE_MAX = 2_147_483_646;

const maxAge = z
  .string()
  .transform((text) => (/^\d{1,10}$/.test(text) ? Number(text) : 0))
  .transform((age) => (age < 1 || age > AGE_MAX ? DEFAULT_AGE : age))
  .openapi({
    type: 'integer',
    minimum: 1,
    maximum: AGE_MAX,
    default: DEFAULT_AGE,
    description: 'seconds the token is to live, at most a day',
  });

const noCookie = (message: string) =>
  z
    .string()
    .refine((text) => !YES.has(text.toLowerCase()), message)
    .openapi({ type: 'string', enum: ['false', 'no', 'off', '0'] });

const tokenQuery = z.object({
  'max-age': maxAge.optional(),
  persist: noCookie(
    'no cookie is ever set here; ask without it, and send the token as Authorization: Bearer',
  ).optional(),
  logout: noCookie(
    'no cookie is set here that could be cleared; a token ends by its time, or when its user is changed',
  ).optional(),
});

export const AUTH_ROUTES: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/auth',
    action: 'auth.token',
    summary: 'A token (JWT) for the name and password of the request, to be sent as `Authorization: Bearer`',
    role: 'basic',
    passwordOnly: true,
    params: z.object({}),
    query: tokenQuery,
    answers: { 200: z.strictObject({ meta: z.strictObject({ token: z.string() }) }) },
    handle: ({ query }, call) =>
      withFiles(call, async ({ users, tokens }) => {
        if (!call.secure) throw new AdminError(401, 'Connection is not encrypted');
        // A token that could be had for a token would never end.
        const user = call.login === 'password' ? await users.find(call.user.name) : undefined;
        if (user === undefined) throw new AdminError(401, 'A token is given for a name and a password only.');
        const token = await tokens.issue(user, query['max-age'] ?? DEFAULT_AGE);
        return { status: 200, document: { meta: { token } }, headers: { 'Cache-Control': 'no-store' } };
      }),
  }),
];
