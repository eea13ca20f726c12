"""Roles with no more rights than their work needs, as SQL for `jobyard db roles --print`."""

from __future__ import annotations

from jobyard.store.postgres.statement import qualified

__all__ = ["roles_sql"]

_SQL = """
-- Four roles without a login: grant them to your users, as in  grant main_worker to alice.
-- Run it as a superuser once the tables are there, and again after each `jobyard db upgrade`.
do $$
declare name text;
begin
    foreach name in array array['main_owner', 'main_worker', 'main_enqueue', 'main_read'] loop
        if not exists (select from pg_roles where rolname = name) then execute format('create role %I', name); end if;
    end loop;
end $$;

-- The owner upgrades and drops the tables: whoever runs `jobyard db`.
grant usage, create on schema main to main_owner;
do $$
declare t text;
begin
    for t in select c.oid::regclass from pg_class c
        where c.relnamespace = 'main'::regnamespace and c.relkind in ('r', 'S')
            and not (c.relkind = 'S' and exists (
                select from pg_depend d where d.objid = c.oid and d.deptype in ('a', 'i')))
    loop
        execute 'alter table ' || t || ' owner to main_owner';
    end loop;
end $$;

-- A worker reads and writes rows, and makes no tables.
grant usage on schema main to main_worker;
grant select, insert, update, delete on all tables in schema main to main_worker;
grant usage, select on all sequences in schema main to main_worker;
revoke insert, update, delete on main.schema_version from main_worker;

-- Who only enqueues adds jobs and sees what became of them; it changes nothing but the hold of unique keys.
grant usage on schema main to main_enqueue;
grant select on main.schema_version, main.jobs, main.ops, main.dependencies, main.tokens, main.queues, main.workers
    to main_enqueue;
grant select (job, definition) on main.builds to main_enqueue;
grant insert on main.jobs, main.ops, main.dependencies, main.tokens to main_enqueue;
grant update (unique_key) on main.jobs to main_enqueue;
grant update (job) on main.tokens to main_enqueue;
grant usage on sequence main.jobs_id to main_enqueue;
grant select, insert, update, delete on main.idle to main_enqueue;

-- A reader sees everything, also arguments and results.
grant usage on schema main to main_read;
grant select on all tables in schema main to main_read;
grant select on all sequences in schema main to main_read;
"""


def roles_sql(schema: str) -> str:
    """The SQL for the roles of one schema, named after it."""
    text = _SQL
    for role in ("owner", "worker", "enqueue", "read"):
        text = text.replace(f"main_{role}", f"{schema}_{role}")
    return qualified(text, schema).strip() + "\n"
