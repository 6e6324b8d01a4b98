// A backend that says what it can't.
import * as z from 'zod';
import shelf from './shelf.mjs';

const config = z.strictObject({ type: z.literal('drawer') });

export default { ...shelf, type: 'drawer', resourceClass: undefined, abilities: [], config };
