-- Statuses are stored as codes, in the order of model/states.py:
-- 0 scheduled, 1 queued, 2 waiting, 3 suspended, 4 running, 5 canceling, 6 succeeded, 7 failed, 8 skipped, 9 canceled.
-- Instants are microseconds since the epoch, UTC. The order of the columns is that of model/rows.py.
create table jobs (
    id integer primary key autoincrement,
    status integer not null,
    queue text not null,
    task text not null,
    rank integer not null,
    priority integer not null,
    due integer not null,
    epoch integer not null,
    attempt integer not null,
    failures integer not null,
    crashes integer not null,
    open_parents integer not null,
    cursor integer not null,
    op_count integer not null,
    worker integer,
    received_at integer not null,
    started_at integer,
    exec_at integer,
    ended_at integer,
    machine text,
    heartbeat integer,
    logtail text,
    args text not null,
    refs text,
    result text,
    error text,
    unique_key text,
    unique_until integer,
    definition text,
    requester text,
    log_serial integer not null,
    expires integer,
    options text
) strict;

-- An id is never used twice, also after the last job was pruned; the row is there from the start so that ids can be
-- reserved by raising it.
insert into sqlite_sequence (name, seq) values ('jobs', 0);

-- Claims read only this index: the task is in it so that jobs of unknown tasks are passed over without their rows, and
-- the status because SQLite would else look it up in the row.
create index jobs_ready on jobs (queue, rank, id, task, status) where status = 1;
create index jobs_due on jobs (due) where status = 0;
create index jobs_held on jobs (worker) where status in (4, 5);
create index jobs_ended on jobs (ended_at) where ended_at is not null;
create unique index jobs_unique on jobs (unique_key) where unique_key is not null;
create index jobs_expires on jobs (expires) where expires is not null and status < 4;
create index jobs_definition on jobs (definition, id) where definition is not null;

create table ops (
    job integer not null,
    idx integer not null,
    task text not null,
    args text not null,
    refs text,
    priority integer not null,
    result text,
    error text,
    started_at integer,
    exec_at integer,
    ended_at integer,
    primary key (job, idx)
) strict, without rowid;

-- accepted: the final statuses that satisfy the edge, as bits by code. open: 1 until the parent ended.
create table dependencies (
    parent integer not null,
    child integer not null,
    accepted integer not null,
    open integer not null,
    primary key (parent, child)
) strict, without rowid;
create index dependencies_child on dependencies (child, parent);

create table attempts (
    job integer not null,
    number integer not null,
    worker text,
    started_at integer,
    ended_at integer not null,
    outcome text not null,
    error text,
    primary key (job, number)
) strict, without rowid;

create table tokens (
    token text primary key,
    job integer not null,
    at integer not null
) strict, without rowid;
create index tokens_at on tokens (at);

create table requests (
    id integer primary key autoincrement,
    kind text not null,
    job integer not null,
    epoch integer not null,
    worker integer,
    at integer not null,
    answer text,
    answered_at integer
) strict;
create index requests_open on requests (worker) where answered_at is null;
create index requests_job on requests (job, id);

create table queues (
    name text primary key,
    paused integer not null,
    drained integer not null,
    priority integer,
    retry text,
    timeout real,
    aging real
) strict, without rowid;

create table workers (
    id integer primary key autoincrement,
    name text not null,
    machine text not null,
    pid integer not null,
    queues text,
    tasks text not null,
    concurrency integer not null,
    processes integer not null,
    started_at integer not null,
    heartbeat integer not null,
    state text not null,
    ended_at integer
) strict;
create index workers_state on workers (state, heartbeat);

create table events (
    id integer primary key autoincrement,
    at integer not null,
    kind text not null,
    user text,
    job integer,
    definition text,
    machine text,
    data text
) strict;
create index events_job on events (job, id) where job is not null;

create table log (
    id integer primary key autoincrement,
    job integer not null,
    serial integer not null,
    op integer not null,
    at integer not null,
    level integer not null,
    logger text not null,
    message text not null,
    traceback text,
    data text
) strict;
create unique index log_job on log (job, serial);

create table progress (
    job integer not null,
    path text not null,
    current real not null,
    total real,
    status text not null,
    at integer not null,
    primary key (job, path)
) strict, without rowid;
