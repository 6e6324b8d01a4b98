import { CONTRACT_VERSION, type RouterModule } from '@sessionkit/session-core';
import { z } from 'zod';
import { proxyRouter } from './index.js';
import { DEFAULT_CONNECT_TIMEOUT, DEFAULT_RESPONSE_TIMEOUT, MIN_SIGN_KEY } from './options.js';

const seconds = (fallback: number) =>
  z
    .number()
    .min(0.001)
    .max(86_400)
    .default(fallback / 1000);

const config = z.strictObject({
  type: z.literal('proxy'),
  servers: z.array(z.string()).min(1).describe('Names of the servers, which take turns'),
  connect_timeout: seconds(DEFAULT_CONNECT_TIMEOUT).describe('Seconds that connecting may take'),
  response_timeout: seconds(DEFAULT_RESPONSE_TIMEOUT).describe(
    'Seconds from the end of the request to the head of the answer; also the longest wait for one of `connections`; counted in steps of about a second above one',
  ),
  connections: z
    .int()
    .min(1)
    .optional()
    .describe('Most connections to each server, besides those that are WebSockets. Default: no limit'),
  sign_key: z
    .string()
    .min(MIN_SIGN_KEY)
    .optional()
    .describe(
      `Signs what is said about the session; at least ${MIN_SIGN_KEY} characters. Default: nothing is signed`,
    ),
});

type Config = z.infer<typeof config>;

const module: RouterModule<Config> = {
  contract: CONTRACT_VERSION,
  kind: 'router',
  type: 'proxy',
  config,
  create({ connect_timeout, response_timeout, connections, sign_key }, context) {
    return proxyRouter({
      ...context,
      connectTimeout: Math.ceil(connect_timeout * 1000),
      responseTimeout: Math.ceil(response_timeout * 1000),
      connections,
      signKey: sign_key,
    });
  },
};

export default module;
