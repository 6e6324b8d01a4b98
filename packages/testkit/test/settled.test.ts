import { expect, it } from 'vitest';
import { settled } from '../src/settled.js';

it('takes what a closing connection leaves, not what it finds', async () => {
  const counts = [3, 2, 1];
  expect(await settled(async () => counts.shift() ?? 1, 5_000)).toBe(1);
});

it('asks once where there is none', async () => {
  let asked = 0;
  const count = async () => {
    asked++;
    return 0;
  };
  expect(await settled(count, 5_000)).toBe(0);
  expect(asked).toBe(1);
});

it('says so where the count never stays the same', async () => {
  let count = 0;
  await expect(settled(async () => ++count, 200)).rejects.toThrow(/keep changing/);
});
