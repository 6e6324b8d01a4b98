import { viewOf } from '@sessionkit/testkit';
import { describe, expect, it } from 'vitest';
import { cookie } from '../src/index.js';

const read = (header: string, name = 'sid') => cookie({ name }).read(viewOf({ headers: { cookie: header } }));

describe('reading', () => {
  it.each([
    ['sid=a', ['a']],
    ['sid=a; sid=b;sid=c; sid=d', ['a', 'b', 'c']],
    ['x=1; sid=a', ['a']],
    ['sid="a"', ['a']],
    ['sid="', ['"']],
    ['sid=""', ['']],
    ['sid=', ['']],
    ['sid= a ', ['a']],
    ['sid=a=b', ['a=b']],
    ['sid=a%2eb', ['a%2eb']],
    ['x="a; sid=b', ['b']],
    ['sid', []],
    ['SID=a', []],
    ['Sid=a; xsid=b; sid2=c; a=sid=d', []],
    ['', []],
  ])('takes from %j the values %j', (header, values) => {
    expect(read(header)).toEqual(values);
  });

  it('finds names that mean something to JavaScript or to regular expressions', () => {
    expect(read('__proto__=a; constructor=b', '__proto__')).toEqual(['a']);
    expect(read('__proto__=a; constructor=b', 'constructor')).toEqual(['b']);
    expect(read('a+b=1; a.b=2; aab=3', 'a.b')).toEqual(['2']);
  });

  it('reads the name with its prefix only', () => {
    const transport = cookie({ name: 'sid', options: { prefix: '__Host-' } });
    expect(transport.carrier.cookie).toBe('__Host-sid');
    const request = viewOf({ headers: { cookie: 'sid=planted; __host-sid=planted; __Host-sid=a' } });
    expect(transport.read(request)).toEqual(['a']);
  });

  it('stops at the third value of a flood', () => {
    expect(read('sid=x; '.repeat(10_000))).toEqual(['x', 'x', 'x']);
  });

  it('looks at each near miss once: a header of a megabyte costs no more than a second of CPU', () => {
    const before = process.cpuUsage().user;
    expect(read('xsid=x;'.repeat(150_000))).toEqual([]);
    expect(read(`${' '.repeat(1_000_000)}sid=a`)).toEqual(['a']);
    expect(process.cpuUsage().user - before).toBeLessThan(1_000_000);
  });

  it('finds what taking the whole header apart finds, over 20,000 random headers', () => {
    let seed = 1;
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const parts = ['sid', '=', ';', ' ', '\t', '"', 'a', 'sid=', '; sid=', 'xsid=b', ';sid="c"', '; '];
    const trimmed = (text: string) => text.replace(/^[ \t]+|[ \t]+$/g, '');
    let found = 0;
    for (let run = 0; run < 20_000; run++) {
      const header = Array.from({ length: random(12) }, () => parts[random(parts.length)]).join('');
      const expected = header
        .split(';')
        .map((pair) => pair.replace(/^[ \t]+/, ''))
        .filter((pair) => pair.startsWith('sid='))
        .map((pair) => trimmed(pair.slice(4)).replace(/^"(.*)"$/s, '$1'))
        .slice(0, 3);
      expect(read(header), JSON.stringify(header)).toEqual(expected);
      found += expected.length;
    }
    expect(found).toBeGreaterThan(5_000);
  });
});
