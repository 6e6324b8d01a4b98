import { VBUCKETS } from './bucket.js';

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** What clients are told of the cluster: one node, and the bucket's partitions once a bucket is chosen. */
export function configurationOf(
  port: number,
  bucket: string | undefined,
  alternates: ReadonlyMap<string, Place>,
): string {
  const node = {
    thisNode: true,
    hostname: '127.0.0.1',
    services: { kv: port },
    ...(alternates.size === 0
      ? {}
      : {
          alternateAddresses: Object.fromEntries(
            [...alternates].map(([name, { host, port: kv }]) => [name, { hostname: host, ports: { kv } }]),
          ),
        }),
  };
  const common = { rev: 1 + alternates.size, revEpoch: 1, nodesExt: [node], clusterCapabilities: {} };
  if (bucket === undefined) return JSON.stringify(common);
  return JSON.stringify({
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
      serverList: [`127.0.0.1:${port}`],
      vBucketMap: Array.from({ length: VBUCKETS }, () => [0]),
    },
  });
}

/** Names of the statuses that clients ask about; none of them asks for a repetition. */
export const ERROR_MAP = JSON.stringify({ version: 2, revision: 1, errors: {} });
