import { CONTRACT_VERSION, type ResourceModule } from '@sessionkit/session-core';
import { z } from 'zod';
import { Connection } from './connection.js';

const DEADLINE = 2_000;

const config = z.strictObject({
  _class: z.literal('couchbase'),
  cluster: z
    .string()
    .regex(/^couchbases?:\/\/[^@\s]+$/, {
      message:
        'this is no address of a cluster: write couchbase://HOST or couchbases://HOST, without a user in it',
    })
    .default('couchbase://127.0.0.1')
    .describe(
      'Address of the cluster, `couchbases://` for TLS; several hosts with commas between; no user in it',
    ),
  bucket: z.string().min(1).describe('Bucket of the documents'),
  user: z.string().min(1).describe('Who connects'),
  password: z.string().describe('Password of the user'),
  ca_file: z.string().optional().describe('File with the certificates to trust, PEM; with `couchbases://`'),
});

type Config = z.infer<typeof config>;

const module: ResourceModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'resource',
  type: 'couchbase',
  config,
  create({ cluster, bucket, user, password, ca_file }, { environment, deadline = DEADLINE }) {
    return new Connection({
      url: cluster,
      bucket,
      username: user,
      password,
      certificates: ca_file,
      deadline,
      log: environment.log,
    });
  },
  async close(connection) {
    await (connection as Connection).close();
  },
};

export default module;
