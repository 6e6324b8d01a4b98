export * from './environment.js';
export * from './report.js';
export * from './transport-suite.js';
