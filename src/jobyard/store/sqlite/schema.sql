-- name: has_versions
select count(*) from sqlite_master where type = 'table' and name = 'schema_version'

-- name: create_versions
create table if not exists schema_version (version integer primary key, word text not null, applied_at integer not null)

-- name: versions
select version from schema_version order by version

-- name: add_version
insert into schema_version (version, word, applied_at) values (:version, :word, :applied_at)

-- name: tables
select name from sqlite_master where type = 'table' and name not like 'sqlite_%'

-- name: lock
-- Differs from PostgreSQL: the transaction of an upgrade is the only one that writes.
select 1

-- name: create_schema
-- Differs from PostgreSQL: a file is a schema.
select 1

-- name: columns
select name from pragma_table_info(:table) order by cid

-- name: restart_ids
-- Differs from PostgreSQL: ids that were given by hand raise the counter by themselves.
select 1
