export default { contract: 2, kind: 'router', type: 'future', config: {}, create: () => undefined };
