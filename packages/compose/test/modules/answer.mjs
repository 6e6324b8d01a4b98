// A router that answers by itself; a third party's module, with a Standard Schema written by hand.
const validate = (value) => {
  const unknown = Object.keys(value).filter((key) => !['type', 'servers', 'text'].includes(key));
  const issues = unknown.map((key) => ({ message: 'is no option of this router', path: [{ key }] }));
  const names = value.servers ?? [];
  if (!Array.isArray(names)) issues.push({ message: 'lists names of servers', path: ['servers'] });
  return issues.length > 0 ? { issues } : { value };
};

export default {
  contract: 1,
  kind: 'router',
  type: 'answer',
  config: { '~standard': { version: 1, vendor: 'answer', validate } },
  create: (config, context) => ({
    type: 'answer',
    config,
    context,
    closed: 0,
    async handle({ response }) {
      response.end(config.text ?? 'hello');
    },
    async close() {
      this.closed += 1;
    },
  }),
};
