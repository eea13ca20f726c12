-- The instants, counts and ids of a definition are what its schedule and its listing need without a look at its jobs.
-- failures: in a row; failing_since: the end of the first of them. last_started: the start of its newest result.
-- last_build: its latest successful build, which ended at last_build_at. options: JSON, see model/definition.py.
create table main.definitions (
    name text collate "C" primary key,
    position integer not null,
    state text collate "C" not null,
    task text collate "C" not null,
    recurring integer not null,
    keep bigint,
    options text not null,
    failures integer not null,
    failing_since bigint,
    last_started bigint,
    last_successful bigint,
    last_build bigint,
    last_build_at bigint,
    created_at bigint not null,
    changed_at bigint not null
) with (fillfactor = 50);

create table main.definition_dependencies (
    definition text collate "C" not null,
    dependency text collate "C" not null,
    position integer not null,
    primary key (definition, dependency)
);
create index definition_dependencies_dependency on main.definition_dependencies (dependency, definition);

-- recipe: the options of the definition as they were when the build was made; config: what create_build was given.
-- dependency_builds: JSON of the build of each direct dependency, by name. cleanup: the task that is called with the
-- result before the build is deleted; cleanup_at and cleanup_error: its last call, if that was not the end of it.
-- log_pruned: 1 where somebody has deleted lines of its log.
create table main.builds (
    job bigint primary key,
    recipe text,
    config text,
    dependency_builds text,
    cleanup text collate "C",
    cleanup_at bigint,
    cleanup_error text,
    log_pruned smallint not null default 0
);
create index builds_cleanup on main.builds (job) where cleanup is not null;

create table main.machines (
    name text collate "C" primary key,
    state text collate "C" not null,
    reason text,
    heartbeat bigint,
    created_at bigint not null
);

-- The logs of runs by foreign runners, compressed.
create table main.files (
    job bigint primary key,
    data bytea not null,
    at bigint not null
);

create index events_definition on main.events (definition, id) where definition is not null;
create index events_machine on main.events (machine, id) where machine is not null;

-- What foreign runners may be given.
create index jobs_offered on main.jobs (queue, rank, id) where status = 1 and definition is not null;

-- The place of a group among those of its job, in the order of their first reports.
alter table main.progress add column position integer not null default 0;
