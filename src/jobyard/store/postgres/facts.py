"""What an operator wants to know of a PostgreSQL server that has jobs, and what is wrong with it."""

from __future__ import annotations

import time
from typing import Any

from jobyard.store.driver import Row, Transaction

__all__ = ["facts_of"]

_VERSION = "select current_setting('server_version'), pg_is_in_recovery()"
_SIZE = """
select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'main' and c.relkind = 'r'
"""
_OLDEST = """
select extract(epoch from clock_timestamp() - since)::double precision, who
from (
    select xact_start, format('process %s (%s, %s)', pid, coalesce(nullif(application_name, ''), 'unnamed'), state)
    from pg_stat_activity
    where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
    union all
    select prepared, format('%s, who prepared it as %L,', owner, gid)
    from pg_prepared_xacts where database = current_database()
) as transactions (since, who)
order by since limit 1
"""
"""A prepared transaction belongs to no process, and outlives a restart."""
_DEAD = "select relname, n_live_tup, n_dead_tup from pg_stat_user_tables where schemaname = 'main' order by relname"
_NOTIFY = "select pg_notification_queue_usage()"
_INVALID = """
select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'main' and not (i.indisvalid and i.indisready) order by 1
"""
_CONNECTIONS = """
select count(*), current_setting('max_connections')::bigint, pg_has_role('pg_read_all_stats', 'usage')
from pg_stat_activity where datid is not null and usesysid is not null
"""
"""Of others' sessions a common role sees that they are there, and not what they do, nor since when."""
_HOUR = 3600.0
_FULL = 0.5
_OFF = 5.0
"""Seconds: more than a clock that is kept right is ever off, and than a round trip takes."""


def facts_of(tx: Transaction, now: int) -> dict[str, Any]:
    """The facts, see `Driver.facts`; *now* is the database's clock."""
    ahead = time.time() - now / 1e6  # first, since what follows may take a while
    [(version, standby)] = tx.fetch(_VERSION)
    [(size,)] = tx.fetch(_SIZE)
    [(usage,)] = tx.fetch(_NOTIFY)
    [(connections, most, sees_all)] = tx.fetch(_CONNECTIONS)
    oldest = tx.fetch(_OLDEST)
    tables = tx.fetch(_DEAD)
    invalid = [name for (name,) in tx.fetch(_INVALID)]
    return {
        "version": f"PostgreSQL {version}",
        "clock": now,
        "clock_difference": round(ahead, 3),
        "size": size,
        "oldest_transaction": oldest[0][0] if oldest else None,
        "transactions_seen": "all" if sees_all else "those of this role: grant it pg_read_all_stats to see all",
        "dead_rows": {name: dead for name, _, dead in tables if dead},
        "notify_queue": usage,
        "connections": connections,
        "max_connections": most,
        "invalid_indexes": invalid,
        "faults": [*_faults(standby, usage, oldest), *(f"index {name} is invalid: reindex it" for name in invalid)],
        "warnings": [_clocks(ahead)] if abs(ahead) > _OFF else [],
    }


def _faults(standby: bool, usage: float, oldest: list[Row]) -> list[str]:
    found = []
    if standby:
        found.append("the server is a standby: it takes no writes")
    if usage > _FULL:
        found.append(f"the queue of notifications is {usage:.0%} full: some listener sits in a transaction")
    if oldest and oldest[0][0] > _HOUR:
        seconds, who = oldest[0]
        found.append(
            f"{who} has had a transaction open for {seconds / _HOUR:.1f} h: no dead row since can be removed, and "
            "claims get slower"
        )
    return found


def _clocks(ahead: float) -> str:
    return (
        f"the clock of this machine is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the server's, by "
        "which all jobs go: instants that programs make here, as for due=, are off by as much"
    )
