create table if not exists `sessions` (
  `sid` varbinary(27) not null,
  `user_id` varbinary(255),
  `service` varbinary(255) not null,
  `ip` varchar(255) character set utf8mb4 not null,
  `start` datetime(3) not null,
  `stop` datetime(3) not null,
  `data` longtext character set utf8mb4 not null,
  `ended` longtext character set utf8mb4,
  `is_over` tinyint not null default 0,
  `version` bigint not null,
  `epoch` bigint not null,
  `seen_at` bigint not null,
  `idle` bigint not null,
  `ends_at` bigint not null,
  `kill_at` bigint,
  `due_at` bigint not null,
  `secret_hash` varchar(255) character set utf8mb4 not null,
  `controls` longtext character set utf8mb4 not null,
  `record` longtext character set utf8mb4 not null,
  primary key (`sid`),
  key `sessions_by_service` (`service`, `sid`),
  key `sessions_by_user` (`user_id`, `sid`),
  key `sessions_by_end` (`is_over`, `sid`),
  key `sessions_by_due` (`due_at`)
) engine = InnoDB row_format = dynamic default character set = utf8mb4;

create table if not exists `sessions_journal` (
  sid varbinary(27) not null,
  batch varbinary(20) not null,
  n int not null,
  at bigint not null,
  arrived bigint not null,
  bytes int not null,
  entry longtext character set utf8mb4 not null,
  primary key (sid, batch, n),
  foreign key (sid) references `sessions` (`sid`) on delete cascade
) engine = InnoDB row_format = dynamic default character set = utf8mb4;

create table if not exists `sessions_claims` (
  service varbinary(255) not null,
  user_id varbinary(255) not null,
  mark varbinary(20) not null,
  places longtext character set utf8mb4 not null,
  last_at bigint not null,
  primary key (service, user_id),
  key `sessions_claims_by_time` (last_at)
) engine = InnoDB row_format = dynamic default character set = utf8mb4;

create table if not exists `sessions_presence` (
  process varbinary(255) not null,
  sid varbinary(27) not null,
  n int not null,
  since bigint not null,
  detail longtext character set utf8mb4 not null,
  lease_end bigint not null,
  primary key (process, sid, n),
  key `sessions_presence_by_sid` (sid)
) engine = InnoDB row_format = dynamic default character set = utf8mb4;
