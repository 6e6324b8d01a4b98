import { CONTRACT_VERSION } from '@sessionkit/session-core';
import { Folder } from './backend.mjs';
import { schema } from './schema.mjs';

export default {
  contract: CONTRACT_VERSION,
  kind: 'resource',
  type: 'acme-folder/resource',
  config: schema('_class', ['path']),
  create: ({ path }) => new Folder(path),
  async close() {},
};
