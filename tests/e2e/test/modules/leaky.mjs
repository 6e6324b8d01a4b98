// A filter with two leaks: it keeps something of each request, and a listener for each.
const KEPT = 1_000_000;
const kept = [];

export default {
  contract: 1,
  kind: 'filter',
  type: 'leaky',
  config: { '~standard': { version: 1, vendor: 'leaky', validate: (value) => ({ value }) } },
  create: () => ({
    type: 'leaky',
    open: () => ({
      handle(_exchange, next) {
        kept.push(new Array(KEPT / 8).fill(kept.length));
        process.on('exit', () => kept.pop());
        return next();
      },
      close() {},
    }),
  }),
};
