import { VBUCKETS } from './bucket.js';
import type { Ports } from './server.js';

export interface Place {
  readonly host: string;
  readonly port: number;
}

export type Configuration = Readonly<Record<string, unknown>>;

/** What clients are told of the cluster: one node, and the bucket's partitions once a bucket is chosen. */
export function configurationOf(
  { documents, management }: Ports,
  revision: number,
  bucket: string | undefined,
  external: Place | undefined,
): Configuration {
  const node = {
    thisNode: true,
    hostname: '127.0.0.1',
    services: { kv: documents, mgmt: management },
    ...(external && {
      alternateAddresses: { external: { hostname: external.host, ports: { kv: external.port } } },
    }),
  };
  const common = { rev: revision, revEpoch: 1, nodesExt: [node], clusterCapabilities: {} };
  if (bucket === undefined) return common;
  return {
    ...common,
    name: bucket,
    uuid: '00000000000000000000000000000001',
    nodeLocator: 'vbucket',
    collectionsManifestUid: '1',
    bucketCapabilities: [
      'collections',
      'durableWrite',
      'rangeScan',
      'nodesExt',
      'cccp',
      'cbhello',
      'touch',
      'xattr',
    ],
    vBucketServerMap: {
      hashAlgorithm: 'CRC',
      numReplicas: 0,
      serverList: [`127.0.0.1:${documents}`],
      vBucketMap: Array.from({ length: VBUCKETS }, () => [0]),
    },
  };
}

/** Names of the statuses that clients ask about; none of them asks for a repetition. */
export const ERROR_MAP = JSON.stringify({ version: 2, revision: 1, errors: {} });
