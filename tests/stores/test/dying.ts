import { startRedis } from '../src/redis.js';

const redis = await startRedis({ args: [] });
process.send?.(redis.server?.pid, () => process.kill(process.pid, 'SIGKILL'));
