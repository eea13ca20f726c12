-- name: list
select name, state, reason, heartbeat, created_at from main.machines order by name

-- name: get
select name, state, reason, heartbeat, created_at from main.machines where name = :name

-- name: lock
-- Differs from SQLite: the row is locked, so that what is decided from it is not overtaken.
select name, state, reason, heartbeat, created_at from main.machines where name = :name for no key update

-- name: add
-- No row comes back where the machine is known.
insert into main.machines (name, state, reason, heartbeat, created_at) values (:name, :state, null, null, :now)
on conflict (name) do nothing
returning name, state, reason, heartbeat, created_at

-- name: change
update main.machines set state = :state, reason = :reason where name = :name

-- name: beat
update main.machines set heartbeat = :now where name = :name

-- name: jobs
-- What runs there: started for the machine itself, or claimed by a worker on it.
select j.* from main.jobs j
where j.status in (4, 5) and coalesce(j.machine, (select machine from main.workers where id = j.worker)) = :name
order by j.started_at, j.id

-- name: held
-- What foreign runners have there.
select count(*) from main.jobs where worker is null and status in (4, 5) and machine = :name

-- name: offered
-- The best job of a queue that a foreign runner may have. Differs from SQLite: one that another is taking is passed
-- over.
select rank, id from main.jobs where queue = :queue and status = 1 and definition is not null
order by rank, id limit 1 for no key update skip locked

-- name: offering
-- The queues that have a job for a foreign runner, those included of which no worker has noticed that their due has come.
select queue from main.jobs where status = 1 and definition is not null
union
select queue from main.jobs where status = 0 and due <= :now and definition is not null

-- name: start
update main.jobs set
    status = 4, epoch = epoch + 1, attempt = attempt + 1, worker = null, started_at = :now, exec_at = null,
    ended_at = null, machine = :machine, heartbeat = :now, logtail = '',
    unique_key = case when unique_until = 0 then null else unique_key end
where id = :id and status in (0, 1)
returning *

-- name: any_stale
select exists (
    select 1 from main.jobs where worker is null and status in (4, 5) and machine is not null and heartbeat < :before)

-- name: stale
-- What foreign runners hold and have not been heard of since. Differs from SQLite: the rows are locked, and those that
-- another is reclaiming are passed over.
select * from main.jobs
where worker is null and status in (4, 5) and machine is not null and heartbeat < :before
order by id for no key update skip locked
