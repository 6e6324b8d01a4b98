import { afterAll } from 'vitest';
import { cookies } from './rows/cookies.js';
import { ends } from './rows/ends.js';
import { surroundings } from './rows/surroundings.js';
import { tokens } from './rows/tokens.js';
import { transports } from './rows/transports.js';
import { report } from './table.js';

tokens();
ends();
cookies();
transports();
surroundings();

afterAll(report);
