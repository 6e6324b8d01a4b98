// A backend that needs a resource, and whose schema does not ask for one.
import shelf from './shelf.mjs';

const config = { '~standard': { version: 1, vendor: 'none', validate: (value) => ({ value }) } };

export default { ...shelf, type: 'careless-shelf', config };
