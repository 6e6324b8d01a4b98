import {
  cookieCarriage,
  type MatrixReport,
  mutationMatrix,
  queryCarriage,
  schemeCarriage,
  type TransportKit,
  transportCases,
  transportMutants,
} from '@sessionkit/testkit';
import { bearer } from '@sessionkit/transport-bearer';
import { cookie } from '@sessionkit/transport-cookie';
import { token } from '@sessionkit/transport-token';

const kits: readonly TransportKit[] = [
  { create: () => cookie(), ...cookieCarriage('sxapi-sess') },
  { create: () => token(), ...queryCarriage('_token', 'session-token') },
  { create: () => bearer(), ...schemeCarriage('authorization', 'Bearer', 'authorization') },
];

/** The transport suite over our three transports; a mutant breaks all of them in the same way. */
export function transportMatrix(): Promise<MatrixReport> {
  return mutationMatrix(transportCases, transportMutants, (one, mutant) => {
    for (const kit of kits) {
      const subject = mutant === undefined ? kit : { ...kit, create: () => mutant.breaks(kit.create()) };
      if (one.applies?.(subject.create()) ?? true) one.run(subject);
    }
  });
}
