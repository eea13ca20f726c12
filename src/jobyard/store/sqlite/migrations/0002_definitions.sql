-- The instants, counts and ids of a definition are what its schedule and its listing need without a look at its jobs.
-- failures: in a row; failing_since: the end of the first of them. last_started: the start of its newest result.
-- last_build: its latest successful build, which ended at last_build_at. options: JSON, see model/definition.py.
create table definitions (
    name text primary key,
    position integer not null,
    state text not null,
    task text not null,
    recurring integer not null,
    keep integer,
    options text not null,
    failures integer not null,
    failing_since integer,
    last_started integer,
    last_successful integer,
    last_build integer,
    last_build_at integer,
    created_at integer not null,
    changed_at integer not null
) strict, without rowid;

create table definition_dependencies (
    definition text not null,
    dependency text not null,
    position integer not null,
    primary key (definition, dependency)
) strict, without rowid;
create index definition_dependencies_dependency on definition_dependencies (dependency, definition);

-- recipe: the options of the definition as they were when the build was made; config: what create_build was given.
-- dependency_builds: JSON of the build of each direct dependency, by name. cleanup: the task that is called with the
-- result before the build is deleted; cleanup_at and cleanup_error: its last call, if that was not the end of it.
-- log_pruned: 1 where somebody has deleted lines of its log.
create table builds (
    job integer primary key,
    recipe text,
    config text,
    dependency_builds text,
    cleanup text,
    cleanup_at integer,
    cleanup_error text,
    log_pruned integer not null default 0
) strict;
create index builds_cleanup on builds (job) where cleanup is not null;

create table machines (
    name text primary key,
    state text not null,
    reason text,
    heartbeat integer,
    created_at integer not null
) strict, without rowid;

-- The logs of runs by foreign runners, compressed.
create table files (
    job integer primary key,
    data blob not null,
    at integer not null
) strict;

create index events_definition on events (definition, id) where definition is not null;
create index events_machine on events (machine, id) where machine is not null;

-- What foreign runners may be given.
create index jobs_offered on jobs (queue, rank, id) where status = 1 and definition is not null;

-- The place of a group among those of its job, in the order of their first reports.
alter table progress add column position integer not null default 0;
