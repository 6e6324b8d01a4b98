import { z } from '@hono/zod-openapi';
import type { OwnedFile } from './owned-file.js';
import { PHC_FORM } from './password.js';

const nameSchema = z
  .string()
  .refine((name) => nameProblem(name) === undefined, { error: 'is not a user name' });

const storedUserSchema = z.strictObject({
  name: nameSchema,
  account: z.enum(['admin', 'basic']),
  password: z.string().regex(PHC_FORM, 'is not a scrypt hash in PHC form'),
  change: z.int().nonnegative(),
  created: z.iso.datetime(),
  last_update: z.iso.datetime().nullable(),
  last_login: z.iso.datetime().nullable(),
});

const fileSchema = z.strictObject({ format: z.literal(1), users: z.array(storedUserSchema) });

/** A user as the file holds it. */
export type StoredUser = z.infer<typeof storedUserSchema>;

/** Why `name` cannot be a user's; undefined when it can. A colon would end the name in Basic credentials (RFC 7617). */
export function nameProblem(name: string): string | undefined {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > 255) return 'a user name has 1 to 255 bytes';
  if (/[\p{Cc}:]/u.test(name)) return 'a user name has no colon and no control characters';
  if (name === '__proto__') return '__proto__ is no user name';
  return undefined;
}

const FIX = 'Restore it from a backup, or remove it and add the users again.';

/** Users of the file; none when there is no file. @throws SessionError `CONFIG_INVALID` with the path and the fix. */
export async function readUsers(file: OwnedFile): Promise<readonly StoredUser[]> {
  const text = await file.read();
  if (text === undefined) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the file, which holds hashes.
    throw file.broken('it is not JSON', FIX);
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw file.broken(`${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'wrong'}`, FIX);
  }
  const { users } = parsed.data;
  if (new Set(users.map((user) => user.name)).size !== users.length)
    throw file.broken('a user stands in it twice', FIX);
  return users;
}

export function writeUsers(file: OwnedFile, users: readonly StoredUser[]): Promise<void> {
  return file.write(`${JSON.stringify({ format: 1, users }, null, 2)}\n`);
}
