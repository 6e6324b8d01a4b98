import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { type Handler, load } from './help.js';

const require = createRequire(import.meta.url);

/** What the app uses of a session: what express-session documents. */
export interface AppSession {
  [key: string]: unknown;
  readonly id: string | undefined;
  cookie: { maxAge: number | null; originalMaxAge: number | null; expires: Date | false | null };
  save(done?: (error?: unknown) => void): unknown;
  regenerate(done: (error?: unknown) => void): unknown;
  reload(done: (error?: unknown) => void): unknown;
  destroy(done?: (error?: unknown) => void): unknown;
  touch(done?: () => void): unknown;
}

interface User {
  readonly id: string;
}

export interface AppRequest extends IncomingMessage {
  session: AppSession;
  readonly sessionID: string;
  readonly body: Record<string, string>;
  readonly user?: User;
  login(user: User, options: object, done: (error?: unknown) => void): void;
  logout(options: object, done: (error?: unknown) => void): void;
  isAuthenticated(): boolean;
  flash(type: string, message?: string): unknown;
}

export interface AppResponse extends ServerResponse {
  json(value: unknown): void;
  redirect(path: string): void;
  send(text: string): void;
}

type Route = (request: AppRequest, response: AppResponse, next: (error?: unknown) => void) => unknown;

export interface App {
  (request: IncomingMessage, response: ServerResponse): void;
  use(...handlers: unknown[]): void;
  get(path: string, ...handlers: Route[]): void;
  post(path: string, ...handlers: Route[]): void;
  set(name: string, value: unknown): void;
}

export interface Express {
  (): App;
  urlencoded(options: object): Handler;
}

interface Passport {
  use(strategy: unknown): void;
  serializeUser(serialize: (user: User, done: (error: unknown, id?: unknown) => void) => void): void;
  deserializeUser(find: (id: string, done: (error: unknown, user?: unknown) => void) => void): void;
  initialize(): Handler;
  session(): Handler;
  authenticate(name: string, options: object): Route;
}

/** An application as it was written for express-session, with the real passport and connect-flash. `session` is all that differs. */
export function makeApp(express: Express, session: Handler): App {
  const { Passport } = load('passport') as { Passport: new () => Passport };
  const { Strategy } = load('passport-local') as {
    Strategy: new (
      verify: (name: string, password: string, done: (error: unknown, user?: unknown) => void) => void,
    ) => unknown;
  };
  const flash = require('connect-flash') as () => Handler;
  const passport = new Passport();
  passport.use(
    new Strategy((name, password, done) => done(null, password === 'right' ? { id: name } : false)),
  );
  passport.serializeUser((user, done) => done(null, user.id));
  passport.deserializeUser((id, done) => done(null, { id }));

  const app = express();
  app.set('env', 'test');
  app.use(express.urlencoded({ extended: false }));
  app.get('/static', (_request, response) => response.send('nothing of a session'));
  app.use(session);
  app.use(flash());
  app.use(passport.initialize());
  app.use(passport.session());

  /** All that a client can be told of the session. */
  const shown = (request: AppRequest) => ({
    data: JSON.parse(JSON.stringify(request.session, (key, value) => (key === 'cookie' ? undefined : value))),
    keys: Object.keys(request.session).sort(),
    user: request.user?.id ?? null,
    authenticated: request.isAuthenticated(),
  });
  const then =
    (response: AppResponse, next: (error?: unknown) => void, value: () => unknown) => (error?: unknown) =>
      error ? next(error) : response.json(value());

  app.get('/', (request, response) => response.json(shown(request)));
  app.get('/views', (request, response) => {
    request.session.views = Number(request.session.views ?? 0) + 1;
    response.send(`${request.session.views}`);
  });
  app.get('/nested', (request, response) => {
    request.session.cart ??= { items: [] };
    const cart = request.session.cart as { items: unknown[]; at?: unknown };
    cart.items.push({ n: cart.items.length });
    cart.at = new Date(86_400_000);
    response.json(shown(request));
  });
  app.get('/delete', (request, response) => {
    delete request.session.views;
    response.json(shown(request));
  });
  app.get('/undefined', (request, response) => {
    request.session.views = undefined;
    request.session.call = () => 1;
    response.send('set');
  });
  app.get('/redirect', (request, response) => {
    request.session.from = 'redirect';
    response.redirect('/');
  });
  app.get('/stream', (request, response) => {
    request.session.streamed = 'before';
    response.write('a');
    setTimeout(() => {
      request.session.streamed = 'after';
      response.end('b');
    }, 5);
  });
  app.get('/save', (request, response, next) => {
    request.session.saved = 1;
    request.session.save((error) => {
      if (error) return next(error);
      request.session.more = 2;
      response.json(shown(request));
    });
  });
  app.get('/reload', (request, response, next) => {
    request.session.lost = true;
    const before = request.session;
    request.session.reload((error) => {
      if (error) return next(error);
      response.json({ ...shown(request), another: before !== request.session });
    });
  });
  app.get('/regenerate', (request, response, next) => {
    const before = request.sessionID;
    request.session.regenerate((error) => {
      if (error) return next(error);
      request.session.fresh = true;
      response.json({ ...shown(request), another: before !== request.sessionID });
    });
  });
  app.get('/destroy', (request, response, next) => {
    request.session.destroy((error) => {
      if (error) return next(error);
      response.json({ session: request.session ?? null });
    });
  });
  app.get('/destroy-and-go', (request, response) => {
    request.session.destroy();
    response.redirect('/');
  });
  app.get('/null', (request, response) => {
    request.session.views = 'never stored';
    (request as { session: unknown }).session = null;
    response.send('null');
  });
  app.get('/fail', (request) => {
    request.session.failed = 'stored all the same';
    throw new Error('the handler failed');
  });
  app.get('/methods', (request, response) => {
    request.session.touch();
    const { session } = request;
    const all = ['save', 'regenerate', 'reload', 'destroy', 'touch', 'resetMaxAge'];
    const members: string[] = [];
    for (const name in session) members.push(name);
    response.json({
      methods: all.map((name) => typeof session[name]),
      members,
      id: session.id === request.sessionID,
      req: session.req === request,
    });
  });
  app.get('/age', (request, response) => {
    const { maxAge, originalMaxAge, expires } = request.session.cookie;
    const near =
      typeof maxAge === 'number' && typeof originalMaxAge === 'number'
        ? originalMaxAge - maxAge < 5_000
        : null;
    const left =
      expires instanceof Date && typeof maxAge === 'number' ? expires.getTime() - Date.now() - maxAge : null;
    response.json({ originalMaxAge, near, expires: left !== null && Math.abs(left) < 1_000 });
  });
  app.get('/remember', (request, response) => {
    request.session.remembered = true;
    request.session.cookie.maxAge = 1_200_000;
    response.json({ originalMaxAge: request.session.cookie.originalMaxAge });
  });
  app.get('/flash', (request, response) => {
    request.flash('info', 'hello');
    response.redirect('/flashed');
  });
  app.get('/flashed', (request, response) => response.json(request.flash('info')));
  app.post(
    '/login',
    passport.authenticate('local', { failureRedirect: '/', successRedirect: '/', failureFlash: false }),
  );
  app.post('/login-keeping', (request, response, next) =>
    request.login(
      { id: request.body.username ?? '' },
      { keepSessionInfo: true },
      then(response, next, () => shown(request)),
    ),
  );
  app.post('/logout', (request, response, next) =>
    request.logout({}, (error) => (error ? next(error) : response.redirect('/'))),
  );
  app.post('/logout-keeping', (request, response, next) =>
    request.logout(
      { keepSessionInfo: true },
      then(response, next, () => shown(request)),
    ),
  );
  app.use((error: Error, _request: AppRequest, response: AppResponse, _next: unknown) => {
    response.statusCode = 500;
    response.json({ error: error.message });
  });
  return app;
}
