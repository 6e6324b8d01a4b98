import { z } from '@hono/zod-openapi';
import { collectionOf } from './schemas-resources.js';

/** What comes in. The words of refusals are those that clients of MaxScale know. */

const NOT_TEXT = Symbol('not text');
type Pointer = '/data/id' | '/data/type' | '/data/attributes/password' | '/data/attributes/account';

/** Text that must be there and not be empty. A number is none, although clients send a password of digits as one: by then they have lost its leading zeros. */
function text(pointer: Pointer) {
  return z
    .unknown()
    .optional()
    .transform((value, context) => {
      const detail =
        value === undefined
          ? `Request body does not define the '${pointer}' field.`
          : typeof value !== 'string'
            ? `The '${pointer}' field is not a string.`
            : value === ''
              ? `Value '${pointer}' is empty.`
              : undefined;
      if (detail === undefined && typeof value === 'string') return value;
      context.issues.push({ code: 'custom', input: NOT_TEXT, params: { detail } });
      return z.NEVER;
    })
    .openapi({ type: 'string', minLength: 1 });
}

const account = text('/data/attributes/account')
  .pipe(z.enum(['admin', 'basic'], "must be 'admin' or 'basic'"))
  .openapi({ type: 'string', enum: ['admin', 'basic'] });
const type = text('/data/type')
  .pipe(z.literal('inet', "must be 'inet'"))
  .openapi({ type: 'string', enum: ['inet'] });

/** Of `POST /v1/users/inet`. */
export const newUserBody = z.strictObject({
  data: z
    .strictObject({
      id: text('/data/id'),
      type,
      attributes: z.strictObject({ password: text('/data/attributes/password'), account }).prefault({}),
    })
    .prefault({}),
});

/** Of `PATCH`: what is given is changed. */
export const userBody = z.strictObject({
  data: z
    .strictObject({
      id: z.string().optional(),
      type: z.string().optional(),
      attributes: z
        .strictObject({
          password: text('/data/attributes/password').optional(),
          account: account.optional(),
        })
        .prefault({}),
    })
    .prefault({}),
});

export const userParams = z.object({ name: z.string().min(1) });

/** What goes out. */

const selfLink = z.strictObject({ self: z.url() });
const httpDate = z.string().openapi({ example: 'Mon, 01 Jun 2026 12:00:00 GMT' });

const userResource = z
  .strictObject({
    attributes: z.strictObject({
      account: z.enum(['admin', 'basic']),
      created: httpDate,
      last_login: httpDate.nullable(),
      last_update: httpDate.nullable(),
      name: z.string(),
    }),
    id: z.string(),
    links: selfLink,
    type: z.literal('inet'),
  })
  .openapi('User');
export type UserResource = z.infer<typeof userResource>;

export const userDocument = z.strictObject({ data: userResource, links: selfLink });
export const usersDocument = collectionOf(userResource);
