import { z } from '@hono/zod-openapi';

/** As they come: what they mean is read by {@link parseCollectionQuery}, and here they are described and let into the access log. */
function text(description: string, example: string) {
  return z.string().optional().openapi({ description, example });
}

function fieldsOf(type: string) {
  return text(
    'Members to show, as paths below `attributes` and `relationships`. Default: all.',
    'user,client/cipher',
  ).openapi({
    param: { name: `fields[${type}]`, in: 'query', allowReserved: true },
  });
}

/** Parameters of a collection of resources of a type. `filter[<path>]` is read too; its name is not fixed. */
export function collectionQuery<const T extends string>(type: T) {
  return z.object({
    filter: text(
      '`<pointer>=<expression>`; the expression is JSON, or one of eq ne lt le gt ge with JSON, or one of and or not with expressions, in brackets.',
      '/attributes/user=eq("alice")',
    ),
    'page[size]': text('Largest number of rows of a page. Default: all rows at once.', '50'),
    'page[number]': text('Which page, from 0. For rows beyond the first 10,000: `page[after]`.', '0'),
    'page[after]': text('Only rows behind this id.', 's01k6y3v9qxm2r8t4w7z5b1c0d3'),
    ...({ [`fields[${type}]`]: fieldsOf(type) } as Record<`fields[${T}]`, ReturnType<typeof fieldsOf>>),
  });
}

/** Parameters of one resource of a type. */
export function resourceQuery<const T extends string>(type: T) {
  return z.object({ [`fields[${type}]`]: fieldsOf(type) } as Record<
    `fields[${T}]`,
    ReturnType<typeof fieldsOf>
  >);
}
