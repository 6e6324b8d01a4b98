// The Redis backend without its notices: what other stores will be like.
import redis from '@sessionkit/backend-redis/module';

const HIDDEN = 'watch';

export default {
  ...redis,
  abilities: redis.abilities.filter((name) => name !== HIDDEN),
  create(section, context) {
    const backend = redis.create({ ...section, type: 'redis' }, context);
    return new Proxy(backend, {
      get(target, name) {
        if (name === HIDDEN) return undefined;
        const member = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  },
};
