// Modules that fail where a module must not: in their schema, and in `create`.
const config = (validate) => ({ '~standard': { version: 1, vendor: 'fails', validate } });

export default {
  contract: 1,
  kind: 'transport',
  type: 'fails',
  config: config((value) => {
    if (value.how === 'schema') throw new Error('the schema is upside down');
    return { value };
  }),
  create() {
    throw new Error('no pigeon at home');
  },
};
