import { z } from '@hono/zod-openapi';
import { maskedPath } from './access.js';
import type { Links } from './documents.js';
import { AdminError } from './errors.js';
import { withFiles } from './files.js';
import { answerCollection, answerResource, listSource } from './query/collection.js';
import { collectionQuery, resourceQuery } from './query/parameters.js';
import { type Route, route } from './route.js';
import * as s from './schemas.js';
import { type User, UserError, type UserProblem } from './users.js';
import * as u from './users-schemas.js';

const list = (path: string, action: string): Route =>
  route({
    method: 'get',
    path,
    action,
    summary: 'All users of the API, sorted by name',
    role: 'basic',
    params: z.object({}),
    query: collectionQuery('inet'),
    answers: { 200: u.usersDocument },
    async handle(_input, call) {
      const users = await withFiles(call, (access) => access.users.list());
      const rows = users.map((user) => userResource(user, call.links));
      return answerCollection(listSource(call.links.to('users', 'inet'), rows), call.query);
    },
  });

export const USER_ROUTES: readonly Route[] = [
  list('/v1/users', 'users.all'),
  list('/v1/users/inet', 'users.list'),
  route({
    method: 'post',
    path: '/v1/users/inet',
    action: 'users.add',
    summary: 'Adds a user',
    role: 'admin',
    params: z.object({}),
    query: s.noQuery,
    body: u.newUserBody,
    answers: { 204: undefined },
    handle: ({ body: { data } }, call) =>
      withFiles(call, async ({ users, hashing }) => {
        const { password, account } = data.attributes;
        await refusedAs(`Failed to add user ${shown(data.id)}`, () =>
          hashing.run(() => users.add(data.id, password, account)),
        );
        return { status: 204 };
      }),
  }),
  route({
    method: 'get',
    path: '/v1/users/inet/{name}',
    action: 'users.get',
    summary: 'One user',
    role: 'basic',
    params: u.userParams,
    query: resourceQuery('inet'),
    answers: { 200: u.userDocument },
    async handle({ params }, call) {
      const found = await withFiles(call, ({ users }) => users.find(params.name));
      const user = found ?? missing(params.name);
      return answerResource(call.links.to('users', 'inet'), userResource(user, call.links), call.query);
    },
  }),
  route({
    method: 'patch',
    path: '/v1/users/inet/{name}',
    action: 'users.alter',
    summary:
      'Sets the password of a user, the account, or both. Logins and tokens that the user had are void',
    role: 'admin',
    params: u.userParams,
    query: s.noQuery,
    body: u.userBody,
    answers: { 204: undefined },
    handle: ({ params: { name }, body: { data } }, call) =>
      withFiles(call, async ({ users, hashing }) => {
        if (data.id !== undefined && data.id !== name)
          throw new AdminError(400, 'data.id: is not the user of the path');
        if ((await users.find(name)) === undefined) missing(name);
        const { password, account } = data.attributes;
        if (password === undefined && account === undefined)
          throw new AdminError(400, 'No password provided');
        const alter = () => users.alter(name, { password, account });
        await refusedAs(`Failed to alter user ${shown(name)}`, () =>
          password === undefined ? alter() : hashing.run(alter),
        );
        return { status: 204 };
      }),
  }),
  route({
    method: 'delete',
    path: '/v1/users/inet/{name}',
    action: 'users.remove',
    summary: 'Removes a user. Logins and tokens that the user had are void',
    role: 'admin',
    params: u.userParams,
    query: s.noQuery,
    answers: { 204: undefined },
    handle: ({ params: { name } }, call) =>
      withFiles(call, async ({ users }) => {
        if ((await users.find(name)) === undefined) missing(name);
        await refusedAs(`Failed to remove user ${shown(name)}`, () => users.remove(name));
        return { status: 204 };
      }),
  }),
];

/** A user as JSON:API shows it, its keys sorted at every depth. */
function userResource(user: User, links: Links): u.UserResource {
  const instant = (at: number | undefined) => (at === undefined ? null : new Date(at).toUTCString());
  return {
    attributes: {
      account: user.account,
      created: new Date(user.created).toUTCString(),
      last_login: instant(user.lastLogin),
      last_update: instant(user.lastUpdate),
      name: user.name,
    },
    id: user.name,
    links: { self: links.to('users', 'inet', user.name) },
    type: 'inet',
  };
}

/** @throws AdminError in the words of the contract, for what `change` was refused for. */
async function refusedAs(what: string, change: () => Promise<unknown>): Promise<void> {
  try {
    await change();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const status = error.problem === 'missing' ? 404 : 400;
    throw new AdminError(status, `${what}: ${WORDS[error.problem] ?? error.message}`);
  }
}

const WORDS: Partial<Record<UserProblem, string>> = {
  taken: 'Duplicate username specified',
  last_user: 'Cannot delete last user',
  last_admin: 'Cannot delete last admin',
  no_admin: 'Cannot leave no admin',
  missing: 'There is no such user',
};

function missing(name: string): never {
  throw new AdminError(404, `${shown(name)} is not a inetuser`);
}

/** A name that came, unless it could be something secret put in the wrong place. */
function shown(name: string): string {
  const masked = maskedPath(encodeURIComponent(name));
  return masked === name ? `'${name}'` : '(not shown)';
}
