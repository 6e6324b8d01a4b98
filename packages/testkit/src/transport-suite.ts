import { declaringCases } from './transport-declaring.js';
import { handingCases } from './transport-handing.js';
import type { TransportCase, TransportKit } from './transport-kit.js';
import { readingCases } from './transport-reading.js';

export { type Carriage, cookieCarriage, queryCarriage, schemeCarriage } from './transport-clients.js';
export {
  aToken,
  type CarriedRequest,
  type TransportCase,
  type TransportClient,
  type TransportKit,
  viewOf,
} from './transport-kit.js';
export { type TransportMutant, transportMutants } from './transport-mutants.js';

/** The contract of a transport, sentence by sentence. */
export const transportCases: readonly TransportCase[] = [...readingCases, ...handingCases, ...declaringCases];

/** The cases for this transport: all that apply by what it declares. There is no way to leave one out. */
export function transportSuite(kit: TransportKit): readonly TransportCase[] {
  const declared = kit.create();
  return transportCases.filter(({ applies }) => applies?.(declared) ?? true);
}
