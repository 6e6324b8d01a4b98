export * from './environment.js';
export * from './report.js';
