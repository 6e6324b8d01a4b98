export default { contract: 1, kind: 'router', type: 'half' };
