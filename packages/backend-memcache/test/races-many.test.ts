import { racesOn } from './races.js';
import { pair } from './store-harness.js';

racesOn(pair, { mutant: false });
