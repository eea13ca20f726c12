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
