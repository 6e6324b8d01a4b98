// A backend in a file beside the configuration: `type: ./my-backend.mjs`. It owns its store, so that it needs no resource.
import { Folder, FolderBackend } from 'acme-folder';
import folder from 'acme-folder/module';

const validate = (value) =>
  typeof value.path === 'string' ? { value } : { issues: [{ path: ['path'], message: 'must be a text' }] };

export default {
  ...folder,
  type: './my-backend.mjs',
  resourceClass: undefined,
  config: { '~standard': { version: 1, vendor: 'acme', validate } },
  create: ({ path }, { environment }) => new FolderBackend(new Folder(path), () => environment.now()),
};
