import { createId } from '@sessionkit/session-core';
import { describe, expect, it } from 'vitest';
import { TEST_START, TestClock, testEnvironment } from '../src/index.js';

describe('the test environment', () => {
  it('runs repeating tasks in the order in which they fall due, each at its instant', async () => {
    const environment = testEnvironment();
    const ran: string[] = [];
    const note = (name: string) => () => ran.push(`${name}@${environment.now() - TEST_START}`);
    environment.every(300, note('slow'));
    environment.every(100, note('fast'));
    await environment.advance(300);
    expect(ran).toEqual(['fast@100', 'fast@200', 'slow@300', 'fast@300']);
    expect(environment.now()).toBe(TEST_START + 300);
  });

  it('lets what a task started finish its turn before the next instant', async () => {
    const environment = testEnvironment();
    const ran: number[] = [];
    environment.every(100, () => {
      setImmediate(() => Promise.resolve().then(() => ran.push(environment.now() - TEST_START)));
    });
    await environment.advance(250);
    expect(ran).toEqual([100, 200]);
  });

  it('stops a task for good', async () => {
    const environment = testEnvironment();
    let ran = 0;
    const stop = environment.every(100, () => {
      ran++;
      stop();
    });
    await environment.advance(1_000);
    expect(ran).toBe(1);
    expect(environment.clock.running).toBe(0);
  });

  it('runs a task missed by a jump once, not once per interval', async () => {
    const environment = testEnvironment();
    let ran = 0;
    environment.every(100, () => ran++);
    environment.clock.jump(1_050);
    expect(ran).toBe(0);
    await environment.advance(0);
    expect(ran).toBe(1);
    await environment.advance(50);
    expect(ran).toBe(2);
  });

  it('gives processes on one clock their own skew and their own randomness', () => {
    const clock = new TestClock();
    const early = testEnvironment({ clock, skew: -600_000 });
    const late = testEnvironment({ clock, skew: 600_000 });
    clock.jump(1_000);
    expect(early.now()).toBe(TEST_START - 599_000);
    expect(late.now()).toBe(TEST_START + 601_000);
    expect(createId(early, TEST_START)).not.toBe(createId(late, TEST_START));
  });

  it('repeats its random bytes with the seed and never within one run', () => {
    const draw = (random: number | 'real') => {
      const environment = testEnvironment({ random });
      return Array.from({ length: 50 }, () => Buffer.from(environment.random(40)).toString('hex'));
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(new Set([...draw(7), ...draw('real')]).size).toBe(100);
  });

  it('refuses to turn the clock back', async () => {
    const { clock } = testEnvironment();
    await expect(clock.advance(-1)).rejects.toThrow('forward only');
    expect(() => clock.jump(-1)).toThrow('forward only');
    expect(() => clock.every(0, () => {})).toThrow('above 0 ms');
  });
});
