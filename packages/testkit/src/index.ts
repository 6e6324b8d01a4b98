export * from './backend-suite.js';
export * from './environment.js';
export { type FaultOptions, type FaultSuite, type FaultTest, faultSuite } from './fault-suite.js';
export * from './proxy.js';
export * from './race-suite.js';
export * from './records.js';
export * from './report.js';
export * from './store-harness.js';
export * from './transport-suite.js';
