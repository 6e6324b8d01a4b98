// An application as it was before the move: the real express-session on its real store, with passport. A process of its own; its argument says which store.

import connectPgSimple from 'connect-pg-simple';
import { RedisStore } from 'connect-redis';
import session from 'express-session';
import express from 'express5';
import passportLibrary from 'passport';
import { Strategy } from 'passport-local';
import pg from 'pg';
import { createClient } from 'redis';

const {
  kind,
  url,
  secret,
  name,
  prefix,
  tableName,
  schemaName,
  maxAge = 3_600_000,
} = JSON.parse(process.argv[2]);

async function storeOf() {
  if (kind === 'redis') {
    const client = createClient({ url });
    await client.connect();
    return new RedisStore({ client, ...(prefix !== undefined && { prefix }) });
  }
  const pool = new pg.Pool({ connectionString: url });
  const PgStore = connectPgSimple(session);
  if (schemaName !== undefined) await pool.query(`create schema if not exists "${schemaName}"`);
  return new PgStore({
    pool,
    createTableIfMissing: true,
    ...(tableName !== undefined && { tableName }),
    ...(schemaName !== undefined && { schemaName }),
  });
}

const passport = new passportLibrary.Passport();
passport.use(new Strategy((user, password, done) => done(null, password === 'right' ? { id: user } : false)));
passport.serializeUser((user, done) => done(null, user.id));
passport.deserializeUser((id, done) => done(null, { id }));

const app = express();
app.use(express.urlencoded({ extended: false }));
app.use(
  session({
    store: await storeOf(),
    secret,
    name,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge },
  }),
);
app.use(passport.initialize());
app.use(passport.session());
app.get('/views', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1;
  res.send(String(req.session.views));
});
app.get('/cart', (req, res) => {
  req.session.cart = { items: ['a book', 'Größe', '\u2028'], at: new Date(0) };
  res.send('kept');
});
app.get('/remember', (req, res) => {
  req.session.cookie.maxAge = 36_000_000;
  // express-session stores a time only with data that differs, if only in its order.
  const { views } = req.session;
  delete req.session.views;
  req.session.views = views;
  res.send('for ten hours');
});
app.get('/', (req, res) => res.json({ user: req.user?.id ?? null }));
app.post('/login', passport.authenticate('local', { keepSessionInfo: true }), (_req, res) => res.send('in'));

const server = app.listen(0, '127.0.0.1', () => process.send(server.address().port));
