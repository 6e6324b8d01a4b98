import { join } from 'node:path';
import { root } from '../blocks.js';
import type { Surroundings } from './around.js';

/** The service behind the gateway, which logs in who asks for it. */
const UPSTREAM = `$ PORT=9001 node '${join(root, 'examples', 'upstream', 'server.mjs')}' &
upstream: …
`;
const login = (user: string) => `$ curl -c ${user} -X POST 'http://127.0.0.1:8080/login?user=${user}'
Welcome, ${user}
`;

const WHOLE = [
  'session: { transport: { type: cookie }, backend: { type: memory } }',
  'servers: { up: { url: "http://127.0.0.1:9001", steer: true } }',
  'services: { shop: { router: { type: proxy, servers: [up] } } }',
  'listeners: { public: { service: shop, port: 8080 } }',
  'admin: { listen: "127.0.0.1:8989" }',
];

/** Consoles and logs of programs that the reader has running. */
export const GATEWAYS: Surroundings = {
  'apps/sessionkit/README.md': {
    'sessions list --user alice': { before: `${UPSTREAM}${login('alice')}` },
    '"listener": "public"': { printedBy: `grep '"alice"' access.log | head -n 1` },
    'npx sessionkit reload': {
      before: `$ sed -i.old -e 's/response_timeout: 30/response_timeout: 20/' -e 's/^listeners:/&\\n  internal: { service: shop, port: 0 }/' sessionkit.yaml
`,
    },
  },
  'apps/admin-api/README.md': {
    'sessions/events?event=': {
      before: `$ for job in $(jobs -p); do pkill -P "$job"; done; wait
${UPSTREAM}$ printf '%s\\n' ${WHOLE.map((line) => `'${line}'`).join(' ')} >gateway.yaml
$ export SESSIONKIT_ADMIN_PASSWORD='correct horse'
$ npx sessionkit serve --config gateway.yaml >access.log &
…listening: admin…
${login('alice')}$ id=$(curl -u 'admin:correct horse' 'http://127.0.0.1:8989/v1/sessions' | grep -o 's[0-9a-z]\\{26\\}' | head -n 1)
$ { sleep 0.5; curl -u 'admin:correct horse' -X DELETE http://127.0.0.1:8989/v1/sessions/$id; } &
`,
    },
    '"action":"users.add"': { printedBy: `grep '"users.add"' access.log` },
  },
};
