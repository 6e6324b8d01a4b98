import { expect, onTestFinished, test, vi } from 'vitest';
import { Complaints } from '../src/complaints.js';
import type { LogEntry } from '../src/environment.js';
import { SessionError } from '../src/errors.js';

const down = new SessionError('BACKEND_DOWN', 'refused');

/** The complaints of a store, and how time passes for them. */
function complaining() {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const entries: LogEntry[] = [];
  const complaints = new Complaints('memory', (entry) => entries.push(entry));
  const said = () => entries.splice(0).map(({ message }) => message.slice('memory: '.length));
  return { complaints, said, entries, pass: (ms: number) => vi.advanceTimersByTime(ms) };
}

test('one complaint does not hide another', () => {
  const { complaints, said, pass } = complaining();
  complaints.complain('its clock is off', undefined);
  complaints.complain('a flush failed', down);
  expect(said()).toEqual(['its clock is off', 'a flush failed']);
  pass(59_999);
  complaints.complain('a flush failed', down);
  expect(said()).toEqual([]);
  pass(1);
  complaints.complain('a flush failed', down);
  expect(said()).toEqual(['a flush failed']);
});

test('a complaint stays the same with other numbers, and is another one with another fault', () => {
  const { complaints, said } = complaining();
  complaints.complain('its clock is 6021 ms off', undefined);
  complaints.complain('its clock is -7 ms off', undefined);
  complaints.complain('opening failed', new SessionError('RECORD_CORRUPT', 'not JSON'));
  complaints.complain('opening failed', new SessionError('BACKEND_FAILED', 'permission denied'));
  expect(said()).toEqual(['its clock is 6021 ms off', 'opening failed', 'opening failed']);
});

test('says whom it is about', () => {
  const { complaints, entries } = complaining();
  complaints.complain('opening failed', down, { service: 'shop' });
  expect(entries).toEqual([
    { level: 'warning', message: 'memory: opening failed', error: down, service: 'shop' },
  ]);
});

test('each outage has two lines at once', () => {
  const { complaints, said, pass } = complaining();
  for (let outage = 0; outage < 3; outage++) {
    for (let call = 0; call < 5; call++) complaints.failed(down);
    expect(said()).toEqual(['does not answer']);
    for (let call = 0; call < 5; call++) complaints.answered();
    expect(said()).toEqual(['answers again']);
    pass(60_000);
  }
});

test('a store that answers some calls and others not has few lines a minute', () => {
  const { complaints, said, pass } = complaining();
  for (let call = 0; call < 6_000; call++) {
    if (call % 20 === 0) complaints.failed(down);
    else complaints.answered();
    pass(10);
  }
  expect(said()).toEqual(['does not answer', 'answers again', 'does not answer']);
  pass(5_000);
  complaints.answered();
  expect(said()).toEqual(['answers again']);
});
