import { print } from '@sessionkit/test-stores/run';
import { afterAll, describe, expect, it } from 'vitest';
import type { Express } from './app.js';
import { MUTANTS } from './compare-mutants.js';
import type { Answer, Browser } from './help.js';
import { EXPRESS, ours, theirs } from './sides.js';

type Step =
  | string
  | readonly [path: string, form: Record<string, string>]
  | { readonly method: string; readonly path: string };

const LOGIN: Step = ['/login', { username: 'alice', password: 'right' }];
const HEAD: Step = { method: 'HEAD', path: '/views' };

/** What an app does, request by request. A path is a GET, a pair a POST of a form. */
const STORIES: Readonly<Record<string, readonly Step[]>> = {
  'nothing is stored of a visitor of whom nothing is to be remembered': ['/', '/', '/static'],
  'a member is set, and is there again': ['/views', '/views', '/'],
  'what is changed deep inside is stored': ['/nested', '/nested', '/'],
  'a member is deleted': ['/views', '/delete', '/', '/views'],
  'what JSON does not know is not stored': ['/views', '/undefined', '/'],
  'a redirect is not faster than the store': ['/redirect', '/'],
  'what is set while an answer streams is stored when it ends': ['/views', '/stream', '/'],
  'save, and what is set after it': ['/save', '/', '/save', '/'],
  'reload drops what was not saved, and is another object': ['/views', '/reload', '/'],
  'reload of a session that is not stored fails': ['/reload', '/'],
  'regenerate drops the data, and is another session': ['/views', '/regenerate', '/', '/views'],
  'regenerate before anything was stored': ['/regenerate', '/'],
  'destroy takes req.session away, and the session with it': ['/views', '/destroy', '/', '/views'],
  'destroy without a callback, and a redirect': ['/views', '/destroy-and-go', '/'],
  'req.session = null leaves what is stored': ['/views', '/null', '/'],
  'a handler that throws has its changes stored': ['/fail', '/'],
  'members are those of express-session': ['/views', '/methods'],
  'cookie.maxAge, originalMaxAge and expires': ['/views', '/age', '/remember', '/age', '/views', '/age'],
  'connect-flash over a redirect': ['/flash', '/flashed', '/flashed', '/'],
  'passport: a login with a wrong password': [['/login', { username: 'alice', password: 'wrong' }], '/'],
  'passport: a login, and what was before is gone': ['/views', LOGIN, '/', '/views', '/'],
  'passport: a login without a session before': [LOGIN, '/'],
  'passport: a login that keeps the session': ['/views', ['/login-keeping', { username: 'bob' }], '/'],
  'passport: a second login as somebody else': [
    LOGIN,
    '/views',
    ['/login', { username: 'bob', password: 'right' }],
    '/',
  ],
  'passport: a second login as the same': [LOGIN, '/views', LOGIN, '/'],
  'passport: a logout': [LOGIN, '/views', ['/logout', {}], '/', '/views', '/'],
  'passport: a logout that keeps the session': [LOGIN, '/views', ['/logout-keeping', {}], '/'],
  'passport: a logout of nobody': [['/logout', {}], '/'],
  'HEAD of a page that counts': ['/views', HEAD, '/views'],
};

/**
 * Where ours answers differently, on purpose: the request of a story, counted from 1. They are looked at by the tests below.
 */
const DIFFERENT: Readonly<Record<string, string>> = {
  'regenerate before anything was stored 1':
    'there is no id before something is to be stored, and none while regenerate waits for it',
};

const told = { stories: 0, requests: 0, otherwise: 0, caught: 0 };

/** The requests of a story to which the two answer differently. */
async function differences(story: string, before: Browser, now: Browser): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [at, step] of (STORIES[story] ?? []).entries()) {
    const [a, b] = [seen(await send(before, step)), seen(await send(now, step))];
    if (JSON.stringify(a) !== JSON.stringify(b)) found.push(`${story} ${at + 1}`);
  }
  return found;
}

describe.each(Object.entries(EXPRESS))(
  '%s: the app does on ours what it does on express-session',
  (_, express) => {
    it.each(Object.keys(STORIES))('%s', async (story) => {
      const { browser } = await ours(express);
      const found = await differences(story, await theirs(express), browser);
      expect(found).toEqual(Object.keys(DIFFERENT).filter((name) => name.startsWith(`${story} `)));
      told.stories++;
      told.requests += STORIES[story]?.length ?? 0;
      told.otherwise += found.length;
    });
  },
);

describe('a mutant is caught', () => {
  it.each(MUTANTS.map((one) => [one.name, one] as const))('%s', async (_, mutant) => {
    const express = EXPRESS['Express 5'] as Express;
    for (const story of Object.keys(STORIES)) {
      const { browser } = await ours(express, {}, {}, (request) => mutant.break(request));
      const found = await differences(story, await theirs(express), browser);
      if (found.every((name) => name in DIFFERENT)) continue;
      told.caught++;
      return;
    }
    expect.fail('no story differs');
  });
});

afterAll(() => {
  print(
    `express-session: ${told.stories} stories on Express 4 and 5, ${told.requests} requests: ${told.otherwise} answered otherwise than by express-session, on purpose; ${told.caught} of ${MUTANTS.length} mutants caught`,
  );
});

function send(browser: Browser, step: Step): Promise<Answer> {
  if (typeof step === 'string') return browser.get(step);
  if ('method' in step) return browser.ask(step.method, step.path);
  const [path, form] = step;
  return browser.post(path, form);
}

function seen({ status, text, location }: Answer) {
  return { status, text, location };
}
