create table if not exists "sessions" (
  "sid" text collate "C" primary key,
  "user_id" text collate "C",
  "service" text collate "C" not null,
  "ip" text not null,
  "start" timestamptz not null,
  "stop" timestamptz not null,
  "data" json not null,
  "ended" json,
  "version" bigint not null,
  "epoch" bigint not null,
  "seen_at" bigint not null,
  "idle" bigint not null,
  "ends_at" bigint not null,
  "kill_at" bigint,
  "due_at" bigint not null,
  "secret_hash" text not null,
  "controls" json not null,
  "record" json not null,
  "announced" bigint not null default 0
) with (fillfactor = 70);
create index if not exists "sessions_by_service" on "sessions" ("service", "sid");
create index if not exists "sessions_by_user" on "sessions" ("user_id", "sid") where "user_id" is not null;
create index if not exists "sessions_by_end" on "sessions" ("sid") where "ended" is not null;
create index if not exists "sessions_by_due" on "sessions" ("due_at");

create table if not exists "sessions_journal" (
  sid text collate "C" not null references "sessions" ("sid") on delete cascade,
  batch text collate "C" not null,
  n integer not null,
  at bigint not null,
  bytes integer not null,
  entry json not null,
  seq bigint generated always as identity,
  primary key (sid, batch, n)
);

create table if not exists "sessions_claims" (
  service text collate "C" not null,
  user_id text collate "C" not null,
  sids text[] collate "C" not null,
  since bigint[] not null,
  last_at bigint not null,
  primary key (service, user_id)
);

create table if not exists "sessions_presence" (
  process text collate "C" not null,
  sid text collate "C" not null,
  n integer not null,
  since bigint not null,
  detail json not null,
  lease_end timestamptz not null,
  primary key (process, sid, n)
);
create index if not exists "sessions_presence_by_sid" on "sessions_presence" (sid);
