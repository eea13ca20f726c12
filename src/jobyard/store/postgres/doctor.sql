-- Each statement finds jobs that break an invariant, by id; see invariants.py for the sentences.

-- name: rows_without_job
select distinct job from (
    select job from main.ops union all select job from main.attempts union all select job from main.progress
    union all select job from main.log union all select job from main.files
    union all select child from main.dependencies) as rows
where job not in (select id from main.jobs) limit :limit

-- name: missing_ops
select id from main.jobs
where op_count > 1 and op_count <> (select count(*) from main.ops where ops.job = jobs.id) limit :limit

-- name: ids_behind
select id from main.jobs where id > (select last_value from main.jobs_id) limit :limit

-- name: held_without_claim
select id from main.jobs
where epoch < attempt or (status in (4, 5) and (epoch < 1 or attempt < 1 or started_at is null)) limit :limit

-- name: epoch_went_back
select distinct j.id from main.jobs j join main.requests r on r.job = j.id where r.epoch > j.epoch limit :limit

-- name: log_without_hold
select distinct j.id from main.jobs j join main.log l on l.job = j.id where l.serial > j.log_serial limit :limit

-- name: end_without_time
select id from main.jobs where (status >= 6) <> (ended_at is not null) limit :limit

-- name: too_many_attempts
-- The job of a recurrence takes over how often those before it were lost in a row.
with counted as (
    select *, case when options::json ->> 'unique' = 'definition:' || definition then 0 else crashes end as lost
    from main.jobs)
select id from counted
where failures + lost > attempt or (status < 6 and lost >= :max_crashes)
    or (status < 6 and failures >= (options::json #>> '{retry,attempts}')::bigint)
    or exists (select 1 from main.attempts a where a.job = counted.id and a.number > counted.attempt) limit :limit

-- name: impossible_status
select id from main.jobs
where status not between 0 and 9 or cursor < 0 or cursor >= op_count
    or (op_count > 1 and task <> (select o.task from main.ops o where o.job = jobs.id and o.idx = jobs.cursor)) limit :limit

-- name: unique_twice
select min(id) from main.jobs where unique_key is not null group by unique_key having count(*) > 1 limit :limit

-- name: unique_lost
select id from main.jobs
where status < 6 and unique_key is null and options::json ->> 'unique' is not null
    and options::json ->> 'unique_for' is null limit :limit

-- name: wrong_open_parents
-- While a job is held or over, its counter means nothing but that it must not be open.
select id from main.jobs
where status in (2, 3) and open_parents <> (select count(*) from main.dependencies d where d.child = jobs.id and d.open = 1)
limit :limit

-- name: waits_for_nothing
select id from main.jobs where status = 2 and open_parents <= 0 limit :limit

-- name: started_too_early
select distinct j.id from main.jobs j join main.dependencies d on d.child = j.id
where j.status in (0, 1, 4, 5) and d.open = 1 limit :limit

-- name: never_woken
select distinct c.id from main.dependencies d join main.jobs c on c.id = d.child left join main.jobs p on p.id = d.parent
where d.open = 1 and c.status = 2 and (p.id is null or p.ended_at < :swept) limit :limit

-- name: progress_of_no_run
-- Of a build that was made by hand anybody may report, at any time.
select distinct j.id from main.jobs j join main.progress p on p.job = j.id
where j.epoch = 0 and not exists (select 1 from main.builds b where b.job = j.id and b.config is not null) limit :limit

-- name: log_gaps
select id from main.jobs
where received_at > :logged and log_serial <> (select count(*) from main.log l where l.job = jobs.id)
    and not exists (select 1 from main.builds b where b.job = jobs.id and b.log_pruned = 1) limit :limit

-- name: log_of_other_op
select distinct j.id from main.jobs j join main.log l on l.job = j.id where l.op < 0 or l.op >= j.op_count limit :limit

-- name: canceled_but_ran
select id from main.jobs where status = 9 and attempt = 0 and exec_at is not null limit :limit

-- name: held_by_nobody
-- Silent workers are a fault only where another one is there to reclaim from them.
select j.id from main.jobs j left join main.workers w on w.id = j.worker
where j.status in (4, 5) and j.worker is not null and (
    w.id is null or w.state not in ('running', 'stopping')
    or (w.heartbeat < :long_lost and exists (
        select 1 from main.workers o where o.state = 'running' and o.heartbeat >= :lost and o.started_at < :long_lost)))
limit :limit

-- name: idle_workers
select w.id, w.queues, w.tasks from main.workers w
where w.state = 'running' and w.heartbeat >= :lost and w.started_at < :ready_since
    and w.concurrency > (select count(*) from main.jobs j where j.worker = w.id and j.status in (4, 5))

-- name: ready_too_long
select j.id, j.queue, j.task from main.jobs j left join main.queues q on q.name = j.queue
where (j.status = 1 or j.status = 0) and j.due < :ready_since and j.received_at < :ready_since
    and coalesce(q.paused, 0) = 0
    and not exists (select 1 from main.events e where e.job = j.id and e.at >= :ready_since)
    and not exists (
        select 1 from main.dependencies d join main.jobs p on p.id = d.parent
        where d.child = j.id and p.ended_at >= :ready_since)
limit :limit

-- name: recurrence_without_job
-- By the newest job of the definition, which should have left another one.
select coalesce((select max(job) from main.builds where definition = d.name), 0)
from main.definitions d
where d.state = 'active' and d.recurring = 1
    and not exists (select 1 from main.jobs u where u.unique_key = 'definition:' || d.name)
limit :limit

-- name: wrong_rank
select j.id from main.jobs j left join main.queues q on q.name = j.queue
where j.status < 4 and case
    when coalesce(q.aging, 0) > 0 then j.rank not in (
        j.due + trunc(j.priority * q.aging * 1000000)::bigint,
        j.due + trunc(j.priority * q.aging * 1000000)::bigint - 31536000000000)
    else j.rank not in (
        j.priority * 144115188075855872 + j.due,
        j.priority * 144115188075855872 + 72057594037927936 + j.due)
    end
limit :limit

-- name: pruned_but_needed
select distinct j.id from main.jobs j join main.dependencies d on d.child = j.id
where j.status < 6 and d.parent not in (select id from main.jobs)
union
select distinct j.id from main.jobs j cross join lateral json_array_elements(j.refs::json) as r
where j.status < 6 and j.refs is not null and r ->> 1 is not null
    and (r ->> 1)::bigint not in (select id from main.jobs)
limit :limit

-- name: oldest_ready
select min(due) from main.jobs where (status = 1 or status = 0) and due <= :now
