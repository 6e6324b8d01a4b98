import { z } from '@hono/zod-openapi';

/** A route without parameters in its query. */
export const noQuery = z.object({});

export const errorsDocument = z
  .strictObject({ errors: z.array(z.strictObject({ detail: z.string() })).min(1) })
  .openapi('Errors');
export const statusDocument = z.strictObject({ status: z.literal('ok') });
