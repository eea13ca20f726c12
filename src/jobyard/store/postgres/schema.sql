-- name: has_versions
select count(*) from pg_tables where schemaname = 'main' and tablename = 'schema_version'

-- name: create_versions
create table if not exists main.schema_version (
    version integer primary key, word text not null, applied_at bigint not null)

-- name: versions
select version from main.schema_version order by version

-- name: add_version
insert into main.schema_version (version, word, applied_at) values (:version, :word, :applied_at)

-- name: tables
select tablename from pg_tables where schemaname = 'main'

-- name: lock
-- Differs from SQLite: of two upgrades at once the second waits here, and then finds nothing to do.
select pg_advisory_xact_lock(hashtextextended('jobyard upgrade of main', 0))

-- name: create_schema
-- Not `create schema if not exists`, which asks for the right to create one even where it is there.
do $$ begin
    if not exists (select from pg_namespace where nspname = 'main') then create schema main; end if; end $$

-- name: columns
select column_name::text from information_schema.columns
where table_schema = 'main' and table_name = :table order by ordinal_position

-- name: restart_ids
-- Differs from SQLite: ids that were given by hand leave the counters alone.
select
    setval('main.jobs_id', (select coalesce(max(id), 0) + 1 from main.jobs), false),
    setval('main.requests_id_seq', (select coalesce(max(id), 0) + 1 from main.requests), false),
    setval('main.workers_id_seq', (select coalesce(max(id), 0) + 1 from main.workers), false),
    setval('main.events_id_seq', (select coalesce(max(id), 0) + 1 from main.events), false),
    setval('main.log_id_seq', (select coalesce(max(id), 0) + 1 from main.log), false)
