-- name: add
insert into main.dependencies (parent, child, accepted, open)
select * from unnest(:parent::bigint[], :child::bigint[], :accepted::integer[], :open::smallint[])

-- name: release
-- Parents ended with a status: close the edges that accept it, and have their children wait for so many fewer; the last
-- of them makes a child ready, and one that has ended meanwhile counts nothing. Says how many edges there were.
with closed as materialized (
    update main.dependencies set open = 0
    where parent = any(array(select value::bigint from json_array_elements_text(:ids::text::json))) and open = 1
        and accepted >> :status::integer & 1 = 1
    returning child),
locked as materialized (
    select j.id, r.closed
    from (select child as id, count(*) as closed from closed group by child order by child offset 0) as r
    cross join lateral (select id from main.jobs where id = r.id and status in (2, 3) for no key update) as j),
released as (
    update main.jobs set
        open_parents = open_parents - r.closed,
        status = case
            when status = 2 and open_parents = r.closed then case when due <= :now then 1 else 0 end
            else status
        end
    from locked as r where r.id = +r.id and jobs.id = r.id)
select count(*) from closed

-- name: release_and_claim
-- `release`, but the children that become ready are claimed at once: `queued` and `running` in one step. Not if jobs of
-- that queue are ready, or any have come due, that may come before them, nor if there may be more than the limit. Gives
-- the rows of these.
with closed as materialized (
    update main.dependencies set open = 0
    where parent = any(array(select value::bigint from json_array_elements_text(:ids::text::json))) and open = 1
        and accepted >> :status::integer & 1 = 1
    returning child),
locked as materialized (
    select j.id, r.closed,
        j.status = 2 and j.open_parents = r.closed and j.due <= :now and coalesce(j.expires > :now, true)
            and j.queue = :queue and j.task = any(array(select value from json_array_elements_text(:tasks::text::json)))
            and (select count(*) from closed) <= :limit
            and not exists (select 1 from main.jobs where queue = :queue and status = 1)
            and not exists (select 1 from main.jobs where status = 0 and due <= :now) as is_claimed
    from (select child as id, count(*) as closed from closed group by child order by child offset 0) as r
    cross join lateral (select * from main.jobs where id = r.id and status in (2, 3) for no key update) as j),
released as (
    update main.jobs set
        open_parents = open_parents - r.closed,
        status = case
            when status = 2 and open_parents = r.closed then case when due <= :now then 1 else 0 end
            else status
        end
    from locked as r where not r.is_claimed and r.id = +r.id and jobs.id = r.id)
update main.jobs set
    status = 4, open_parents = 0, epoch = epoch + 1, attempt = attempt + 1, worker = :worker, started_at = :now,
    exec_at = null, ended_at = null, machine = null, heartbeat = null, logtail = null,
    unique_key = case when unique_until = 0 then null else unique_key end
where id = any(array(select id from locked where is_claimed))
returning *

-- name: refuse
-- Close the edges that do not accept it.
update main.dependencies set open = 0
where parent = any(array(select value::bigint from json_array_elements_text(:ids::text::json))) and open = 1
    and accepted >> :status::integer & 1 = 0
returning parent, child, accepted

-- name: set_open
update main.dependencies set open = :open where parent = :parent and child = :child

-- name: parents
select d.parent, d.accepted, d.open, j.status, j.task, j.queue
from main.dependencies d left join lateral (select * from main.jobs where id = d.parent offset 0) as j on true
where d.child = :child order by d.parent

-- name: lock_parents
-- Differs from SQLite: the parents must not end between being looked at and the change of their child.
select j.id from main.jobs j join main.dependencies d on d.parent = j.id
where d.child = :child order by j.id for share of j

-- name: strays
-- Open edges whose parent has ended: made by a caller's transaction that overlapped the end of the parent.
select d.parent, j.status from main.dependencies d join main.jobs j on j.id = d.parent
where d.open = 1 and j.status >= 6 limit :limit

-- name: delete
delete from main.dependencies
where child = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))
    or parent = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))
