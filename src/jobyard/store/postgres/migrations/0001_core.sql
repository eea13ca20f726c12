-- Statuses are stored as codes, in the order of model/states.py:
-- 0 scheduled, 1 queued, 2 waiting, 3 suspended, 4 running, 5 canceling, 6 succeeded, 7 failed, 8 skipped, 9 canceled.
-- Instants are microseconds since the epoch, UTC. The order of the columns is that of model/rows.py.
-- `main.` stands for the schema of the URL. JSON is text: jsonb cannot hold a NUL. Names sort by bytes, as in SQLite,
-- which also makes their indexes cheaper. Rows are rewritten twice in a short life: room on the page, and vacuum early.
create table main.jobs (
    id bigint primary key,
    status smallint not null,
    queue text collate "C" not null,
    task text collate "C" not null,
    rank bigint not null,
    priority smallint not null,
    due bigint not null,
    epoch bigint not null default 0,
    attempt integer not null default 0,
    failures integer not null default 0,
    crashes integer not null default 0,
    open_parents integer not null default 0,
    cursor integer not null default 0,
    op_count integer not null default 1,
    worker bigint,
    received_at bigint not null,
    started_at bigint,
    exec_at bigint,
    ended_at bigint,
    machine text collate "C",
    heartbeat bigint,
    logtail text,
    args text not null,
    refs text,
    result text,
    error text,
    unique_key text collate "C",
    unique_until bigint,
    definition text collate "C",
    requester text collate "C",
    log_serial bigint not null default 0,
    expires bigint,
    options text
) with (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1, autovacuum_vacuum_cost_limit = 2000
);

-- An id is never used twice, also after the last job was pruned or a transaction was rolled back.
create sequence main.jobs_id as bigint owned by main.jobs.id;
alter table main.jobs alter column id set default nextval('main.jobs_id');

-- Claims read only this index: the task is in it so that jobs of unknown tasks are passed over without their rows.
create index jobs_ready on main.jobs (queue, rank, id, task) where status = 1;
create index jobs_due on main.jobs (due) where status = 0;
create index jobs_held on main.jobs (worker) where status in (4, 5);
create index jobs_ended on main.jobs (ended_at) where ended_at is not null;
create unique index jobs_unique on main.jobs (unique_key) where unique_key is not null;
create index jobs_expires on main.jobs (expires) where expires is not null and status < 4;
create index jobs_definition on main.jobs (definition, id) where definition is not null;

create table main.ops (
    job bigint not null,
    idx integer not null,
    task text collate "C" not null,
    args text not null,
    refs text,
    priority smallint not null,
    result text,
    error text,
    started_at bigint,
    exec_at bigint,
    ended_at bigint,
    primary key (job, idx)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- accepted: the final statuses that satisfy the edge, as bits by code. open: 1 until the parent ended.
create table main.dependencies (
    parent bigint not null,
    child bigint not null,
    accepted integer not null,
    open smallint not null,
    primary key (parent, child)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create index dependencies_child on main.dependencies (child, parent);

create table main.attempts (
    job bigint not null,
    number integer not null,
    worker text collate "C",
    started_at bigint,
    ended_at bigint not null,
    outcome text not null,
    error text,
    primary key (job, number)
);

create table main.tokens (
    token text collate "C" primary key,
    job bigint not null,
    at bigint not null
);
create index tokens_at on main.tokens (at);

create table main.requests (
    id bigint generated always as identity primary key,
    kind text not null,
    job bigint not null,
    epoch bigint not null,
    worker bigint,
    at bigint not null,
    answer text,
    answered_at bigint
);
create index requests_open on main.requests (worker) where answered_at is null;
create index requests_job on main.requests (job, id);

create table main.queues (
    name text collate "C" primary key,
    paused smallint not null,
    drained smallint not null,
    priority smallint,
    retry text,
    timeout double precision,
    aging double precision
);

create table main.workers (
    id bigint generated always as identity primary key,
    name text collate "C" not null,
    machine text collate "C" not null,
    pid bigint not null,
    queues text,
    tasks text not null,
    concurrency integer not null,
    processes integer not null,
    started_at bigint not null,
    heartbeat bigint not null,
    state text not null,
    ended_at bigint
) with (fillfactor = 50);
-- The heartbeat is not in it, so that a beat touches no index.
create index workers_alive on main.workers (id) where state in ('running', 'stopping');

create table main.events (
    id bigint generated always as identity primary key,
    at bigint not null,
    kind text collate "C" not null,
    "user" text collate "C",
    job bigint,
    definition text collate "C",
    machine text collate "C",
    data text
);
create index events_job on main.events (job, id) where job is not null;

create table main.log (
    id bigint generated always as identity primary key,
    job bigint not null,
    serial bigint not null,
    op integer not null,
    at bigint not null,
    level integer not null,
    logger text not null,
    message text not null,
    traceback text,
    data text
);
create unique index log_job on main.log (job, serial);

create table main.progress (
    job bigint not null,
    path text collate "C" not null,
    current double precision not null,
    total double precision,
    status text not null,
    at bigint not null,
    primary key (job, path)
) with (fillfactor = 70);

-- Differs from SQLite, where listeners of other processes are found as sockets: a row for each listener that sleeps.
-- Whoever commits what it heeds takes it off, and notifies only then. Unlogged: after a crash of the server all look again anyway.
create unlogged table main.idle (
    listener text collate "C" not null,
    heed smallint not null,
    primary key (listener, heed)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
