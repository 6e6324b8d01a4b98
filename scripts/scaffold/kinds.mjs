// What `pnpm new` makes of which package: the real package that is copied, the files that come along, the sources in which its verbs are still to be written, and how its
// names become those of the new one.

/** Names of a new package: `kebab` as it was given, and as code writes it. */
export function namesOf(kebab) {
  const pascal = kebab.replace(/(^|-)(\w)/g, (_, __, letter) => letter.toUpperCase());
  return { kebab, pascal, camel: pascal[0].toLowerCase() + pascal.slice(1) };
}

const PACKAGE = ['README.md', 'tsconfig.json', 'tsup.config.ts'];

export const KINDS = {
  backend: {
    from: 'backend-memory',
    copied: [
      ...PACKAGE,
      'src/module.ts',
      'src/options.ts',
      'test/conformance.test.ts',
      'test/harness.ts',
      'test/helpers.ts',
      'test/module.test.ts',
    ],
    written: { 'src/backend.ts': 'backend.ts', 'src/index.ts': 'backend-index.ts' },
    renames: ({ kebab, pascal, camel }) => [
      [/backend-memory/g, `backend-${kebab}`],
      [/(['"])memory\1/g, `$1${kebab}$1`],
      [/\bmemory(?= backend)|(?<=name of |type: )memory\b/g, kebab],
      [/\bMemory(?=[A-Z])/g, pascal],
      [/\bmemory(?=Harness\b)|\bmemory\b/g, camel],
    ],
    says: (name) => `Keeps SessionKit sessions in ${name}`,
    behaviour:
      'Say here what the contract leaves open: what survives a restart, what a full store does, how old an answer can be, which names and sizes it refuses.',
    steps: (folder) => [
      `Write the verbs in ${folder}/src/backend.ts. What each promises stands in packages/session-core/src/backend.ts. An ability that the store can't have: take its methods out, and its name out of \`abilities\` in src/module.ts.`,
      `Give ${folder}/src/options.ts and src/module.ts the options of the store, and with them test/module.test.ts and the tables of the README: what they say of bounds, rows and the very record is true of memory. A client or pool that services share is made by src/resource.ts (as in packages/backend-redis).`,
      `Let ${folder}/test/harness.ts open two instances on one empty store, and \`peek\` look past the backend at what is stored.`,
      'Add the suites beside the kit: hostile values, races and faults (packages/testkit/README.md shows each, packages/backend-redis/test has each as a few lines).',
      `Copy packages/backend-redis/test/facts.test.ts to ${folder}/test, and begin Behaviour in its README with the answers that every store gives (docs/choosing-a-store.md); \`npm run stores-table\` puts what was found into the table of README.md.`,
    ],
  },
  transport: {
    from: 'transport-token',
    copied: [...PACKAGE, 'src/module.ts', 'src/rules.ts', 'test/module.test.ts', 'test/token.test.ts'],
    written: { 'src/index.ts': 'transport.ts' },
    renames: ({ kebab, pascal, camel }) => [
      [/transport-token/g, `transport-${kebab}`],
      [/(['"])token\1/g, `$1${kebab}$1`],
      [/\btoken(?= transport)|(?<=type: )token\b/g, kebab],
      [/\bToken(?=TransportOptions\b)/g, pascal],
      [/\btoken(?=\()|(?<=import \{ )token(?= \})/g, camel],
    ],
    says: (name) => `Carries the SessionKit token by ${name}`,
    behaviour:
      'Say here what the contract leaves open: which fields an answer gets, what is read and in which order, who keeps the token, and what a gateway takes out.',
    steps: (folder) => [
      `Write the verbs in ${folder}/src/index.ts, and declare where the token travels (\`carrier\`, \`ambient\`, \`lenient\`, \`vary\`). What each promises stands in packages/session-core/src/transport.ts.`,
      `Give ${folder}/src/rules.ts and src/module.ts the options of the transport.`,
      `Let the kit in ${folder}/test carry it as its clients do: cookieCarriage, queryCarriage, schemeCarriage, or your own.`,
    ],
  },
  filter: {
    from: 'filter-limit',
    copied: [...PACKAGE, 'src/module.ts', 'test/conformance.test.ts', 'test/module.test.ts', 'test/serve.ts'],
    written: { 'src/index.ts': 'filter.ts' },
    renames: ({ kebab, pascal, camel }) => [
      [/filter-limit/g, `filter-${kebab}`],
      [/(['"])limit\1/g, `$1${kebab}$1`],
      [/(?<=type: )limit\b/g, kebab],
      [/\bLimit(?=Options\b)/g, pascal],
      [/\blimit(?=\()|(?<=import \{ )limit(?= \})|(?<=\* as |': )limit\b/g, camel],
    ],
    says: (name) => `Does ${name} for the requests of SessionKit sessions`,
    behaviour:
      'Say here what the contract leaves open: what is passed on and what is answered, what it costs a request, what it keeps of a session and for how long.',
    steps: (folder) => [
      `Write \`open\`, which answers what sees the requests of one session, and \`diagnostics\` in ${folder}/src/index.ts. What each promises stands in packages/session-core/src/filter.ts.`,
      `Give the options in src/index.ts and ${folder}/src/module.ts those of the filter.`,
      `Make it in ${folder}/test/conformance.test.ts such that it has no reason to refuse an ordinary request.`,
    ],
  },
};

/** A text of the package that is copied, with the names of the new one. */
export function renamed(kind, text, names) {
  return KINDS[kind].renames(names).reduce((all, [pattern, name]) => all.replace(pattern, name), text);
}
