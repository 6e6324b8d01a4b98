import type { Backend } from '@sessionkit/session-core';
import { altered, type BackendMutant, SIGNAL, simple } from './backend-mutant-kit.js';

const onlyB = (name: string, alter: (b: Backend, a: Backend) => Backend): BackendMutant => ({
  name,
  breaks: (opened) => ({ ...opened, b: alter(opened.b, opened.a) }),
});

export const closingMutants: readonly BackendMutant[] = [
  simple('one method of an ability is missing', () => ({ count: undefined })),
  onlyB('the second instance lacks an ability', (b) => altered(b, { append: undefined, read: undefined })),
  simple('the clock of the store counts seconds', (sound) => ({
    now: async (signal) => ((await sound.now(signal)) ?? 0) / 1_000,
  })),
  simple('close does nothing', () => ({ close: async () => {} })),
  onlyB('closing again is a fault', (b) => {
    let closed = false;
    return altered(b, {
      async close() {
        if (closed) throw new Error('closed already');
        closed = true;
        await b.close();
      },
    });
  }),
  onlyB('closing one instance closes the store', (b, a) =>
    altered(b, {
      async close() {
        await b.close();
        await a.close();
      },
    }),
  ),
  simple('a closed instance answers that there is nothing', (sound) => ({
    load: (ids, signal) => sound.load(ids, signal).catch(() => ids.map(() => undefined)),
  })),
  onlyB('a closed instance goes on listening', (b, a) =>
    altered(b, { watch: (onChange) => (a as typeof a & { watch: NonNullable<Watch> }).watch(onChange) }),
  ),
  simple('the signal is not looked at', (sound) => ({
    save: (record) => sound.save(record, SIGNAL),
    touch: (batch) => sound.touch(batch, SIGNAL),
    end: (ids, how) => sound.end(ids, how, SIGNAL),
    claim: (claim) => sound.claim(claim, SIGNAL),
    append: (batch) => sound.append(batch, SIGNAL),
    announce: (process, links, ttl) => sound.announce(process, links, ttl, SIGNAL),
  })),
];

type Watch = Parameters<typeof altered>[1]['watch'];
