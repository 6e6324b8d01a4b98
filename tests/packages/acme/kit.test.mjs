// The published kit and the hostile values over this backend, under node:test.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { backendSuite, hostileSuite, TestClock } from '@sessionkit/testkit';
import { Folder, FolderBackend } from 'acme-folder';

const root = mkdtempSync(join(tmpdir(), 'acme-folder-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** A save that answers true whatever became of it: what a careless author would write, which the kit has to refuse. */
const careless = process.env.CARELESS === '1';
class Careless extends FolderBackend {
  async save(record, signal) {
    await super.save(record, signal);
    return true;
  }
}

const harness = {
  async open() {
    const clock = new TestClock();
    const folder = new Folder(mkdtempSync(join(root, 'store-')));
    const create = () => new (careless ? Careless : FolderBackend)(folder, () => clock.now());
    const [a, b] = [create(), create()];
    const file = (id) => join(folder.path, `${id}.json`);
    const damage = (name, change) => ({
      name,
      apply: async (id) => writeFileSync(file(id), change(readFileSync(file(id), 'utf8'))),
    });
    return {
      a,
      b,
      clock,
      peek: async (id) => folder.read(id),
      corrupt: async (id) => writeFileSync(file(id), '{'),
      damages: [
        damage('half', (text) => text.slice(0, text.length / 2)),
        damage('another type', (text) => text.replace(/"version":\d+/, '"version":"one"')),
        damage('of another session', (text) => text.replace(/"id":"[^"]*"/, '"id":"other"')),
        { ...damage('newer', (text) => text.replace('"format":1', '"format":2')), readable: true },
      ],
      close: async () => {
        await a.close();
        await b.close();
      },
    };
  },
};

for (const { name, run } of await backendSuite(harness)) test(name, run);
const hostile = careless ? [] : (await hostileSuite(harness)).tests;
for (const { name, run } of hostile) test(name, run);
