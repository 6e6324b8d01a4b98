import { CONTRACT_VERSION } from '@sessionkit/session-core';
import { FolderBackend } from './backend.mjs';
import { schema } from './schema.mjs';

export default {
  contract: CONTRACT_VERSION,
  kind: 'backend',
  type: 'acme-folder',
  resourceClass: 'acme-folder/resource',
  abilities: ['sweep'],
  config: schema('type', ['resource']),
  create: ({ resource: name }, { environment, resource }) =>
    new FolderBackend(resource(name), () => environment.now()),
};
