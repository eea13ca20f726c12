-- name: add
insert into dependencies (parent, child, accepted, open) values (:parent, :child, :accepted, :open)

-- name: release
-- Parents ended with a status: close the edges that accept it, and have their children wait for so many fewer; the last
-- of them makes a child ready, and one that has ended meanwhile counts nothing. Says how many edges there were.
-- Differs from PostgreSQL, where one statement may change two tables.
with r as materialized (
    select child as id, count(*) as closed from dependencies
    where parent in (select value from json_each(:ids)) and open = 1 and accepted >> :status & 1
    group by child)
update jobs set
    open_parents = open_parents - r.closed,
    status = case
        when status = 2 and open_parents = r.closed then case when due <= :now then 1 else 0 end
        else status
    end
from r where jobs.id = r.id and jobs.status in (2, 3);
update dependencies set open = 0
where parent in (select value from json_each(:ids)) and open = 1 and accepted >> :status & 1;
select changes()

-- name: release_and_claim
-- `release`, but the children that become ready are claimed at once: `queued` and `running` in one step. Not if jobs of
-- that queue are ready, or any have come due, that may come before them, nor if there may be more than the limit. Gives
-- the rows of these.
-- Differs from PostgreSQL, as `release` does: those that are running now are no concern of the second part.
with r as materialized (
    select child as id, count(*) as closed from dependencies
    where parent in (select value from json_each(:ids)) and open = 1 and accepted >> :status & 1
    group by child)
update jobs set
    status = 4, open_parents = 0, epoch = epoch + 1, attempt = attempt + 1, worker = :worker, started_at = :now,
    exec_at = null, ended_at = null, machine = null, heartbeat = null, logtail = null,
    unique_key = case when unique_until = 0 then null else unique_key end
where id in (
    select j.id from r cross join jobs j on j.id = r.id
    where j.status = 2 and j.open_parents = r.closed and j.due <= :now and coalesce(j.expires > :now, true)
        and j.queue = :queue and j.task in (select value from json_each(:tasks))
        and (select count(*) from r) <= :limit
        and not exists (select 1 from jobs where queue = :queue and status = 1)
        and not exists (select 1 from jobs where status = 0 and due <= :now))
returning *;
with r as materialized (
    select child as id, count(*) as closed from dependencies
    where parent in (select value from json_each(:ids)) and open = 1 and accepted >> :status & 1
    group by child)
update jobs set
    open_parents = open_parents - r.closed,
    status = case
        when status = 2 and open_parents = r.closed then case when due <= :now then 1 else 0 end
        else status
    end
from r where jobs.id = r.id and jobs.status in (2, 3);
update dependencies set open = 0
where parent in (select value from json_each(:ids)) and open = 1 and accepted >> :status & 1

-- name: refuse
-- Close the edges that do not accept it.
update dependencies set open = 0
where parent in (select value from json_each(:ids)) and open = 1 and not accepted >> :status & 1
returning parent, child, accepted

-- name: set_open
update dependencies set open = :open where parent = :parent and child = :child

-- name: parents
select d.parent, d.accepted, d.open, j.status, j.task, j.queue
from dependencies d left join jobs j on j.id = d.parent
where d.child = :child order by d.parent

-- name: lock_parents
-- Differs from PostgreSQL, where the parents must be kept from ending: here the transaction is the only writer.
select parent from dependencies where child = :child order by parent

-- name: strays
-- Open edges whose parent has ended: made by a caller's transaction that overlapped the end of the parent.
select d.parent, j.status from dependencies d join jobs j on j.id = d.parent
where d.open = 1 and j.status >= 6 limit :limit

-- name: delete
delete from dependencies
where child in (select value from json_each(:ids)) or parent in (select value from json_each(:ids))
