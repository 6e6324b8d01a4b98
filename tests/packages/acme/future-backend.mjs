// A backend that was built for a contract which this SessionKit does not have.
import mine from './my-backend.mjs';

export default { ...mine, contract: 99 };
