-- name: add
insert into workers (name, machine, pid, queues, tasks, concurrency, processes, started_at, heartbeat, state)
values (:name, :machine, :pid, :queues, :tasks, :concurrency, :processes, :now, :now, 'running')
returning id

-- name: beat
update workers set heartbeat = :now, state = :state where id = :id and state in ('running', 'stopping')

-- name: hold
-- The fence of a claim: whether this incarnation is alive, and how its machine is. In this transaction nobody else writes.
select m.state from workers w left join machines m on m.name = w.machine
where w.id = :id and w.state in ('running', 'stopping')

-- name: lost
select * from workers where state in ('running', 'stopping') and heartbeat < :before order by id

-- name: end
-- `before`: only if its last heartbeat was before this instant; null: in any case.
update workers set state = :state, ended_at = :now
where id = :id and state in ('running', 'stopping') and (:before is null or heartbeat < :before)

-- name: list
select * from workers order by id

-- name: get
select * from workers where id = :id

-- name: alive
select * from workers where state in ('running', 'stopping') order by id

-- name: delete_old
delete from workers where id in (
    select id from workers
    where state in ('stopped', 'lost') and ended_at < :before
        and not exists (select 1 from jobs where jobs.worker = workers.id and jobs.status in (4, 5))
    order by id limit :limit)

-- name: count_old
select count(*) from workers where state in ('stopped', 'lost') and ended_at < :before
    and not exists (select 1 from jobs where jobs.worker = workers.id and jobs.status in (4, 5))
