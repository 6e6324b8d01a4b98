import { parentPort, workerData } from 'node:worker_threads';
import { searchFiles } from './search.mjs';

parentPort.postMessage(searchFiles(workerData.files, workerData.secrets));
