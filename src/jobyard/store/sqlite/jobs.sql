-- name: reserve
-- Ids are taken by raising the counter of autoincrement, which also takes the write lock of a caller's transaction
-- before it has read anything. Differs from PostgreSQL: one range, since there is one writer.
update sqlite_sequence set seq = seq + :count where name = 'jobs' returning seq - :count + 1, seq

-- name: insert
insert into jobs (
    id, status, queue, task, rank, priority, due, epoch, attempt, failures, crashes, open_parents, cursor, op_count,
    worker, received_at, started_at, exec_at, ended_at, machine, heartbeat, logtail, args, refs, result, error,
    unique_key, unique_until, definition, requester, log_serial, expires, options)
values (
    :id, :status, :queue, :task, :rank, :priority, :due, :epoch, :attempt, :failures, :crashes, :open_parents, :cursor,
    :op_count, :worker, :received_at, :started_at, :exec_at, :ended_at, :machine, :heartbeat, :logtail, :args, :refs,
    :result, :error, :unique_key, :unique_until, :definition, :requester, :log_serial, :expires, :options)

-- name: insert_unique
-- No row comes back where the key is held.
insert into jobs (
    id, status, queue, task, rank, priority, due, epoch, attempt, failures, crashes, open_parents, cursor, op_count,
    worker, received_at, started_at, exec_at, ended_at, machine, heartbeat, logtail, args, refs, result, error,
    unique_key, unique_until, definition, requester, log_serial, expires, options)
values (
    :id, :status, :queue, :task, :rank, :priority, :due, :epoch, :attempt, :failures, :crashes, :open_parents, :cursor,
    :op_count, :worker, :received_at, :started_at, :exec_at, :ended_at, :machine, :heartbeat, :logtail, :args, :refs,
    :result, :error, :unique_key, :unique_until, :definition, :requester, :log_serial, :expires, :options)
on conflict (unique_key) where unique_key is not null do nothing
returning id

-- name: insert_plain
-- The usual job: one op, no references, no unique key. Binding thirty columns would cost more than storing them.
insert into jobs (
    id, status, queue, task, rank, priority, due, received_at, args, definition, requester, options,
    epoch, attempt, failures, crashes, open_parents, cursor, op_count, log_serial)
values (
    :id, :status, :queue, :task, :rank, :priority, :due, :received_at, :args, :definition, :requester, :options,
    0, 0, 0, 0, 0, 0, 1, 0)

-- name: insert_one
-- One usual job, in one statement: what the queue says is looked up here, and a drained one gives no row.
-- Differs from PostgreSQL, where the reply may be lost on its way: the token is not stored.
insert into jobs (
    status, queue, task, rank, priority, due, received_at, args, definition, requester, options,
    epoch, attempt, failures, crashes, open_parents, cursor, op_count, log_serial)
select
    case when due > now then 0 else 1 end, queue, task,
    case
        when aging > 0 then due + cast(priority * aging * 1000000 as integer)
        else priority * 144115188075855872 + 72057594037927936 + due
    end,
    priority, due, now, args, definition, requester, options, 0, 0, 0, 0, 0, 0, 1, 0
from (
    select given.*, coalesce(given.own_priority, q.priority, 0) as priority, coalesce(q.aging, 0) as aging
    from (
        select
            :queue as queue, :task as task, :priority as own_priority, :due as due, :now as now, :args as args,
            :definition as definition, :requester as requester, :options as options, :token as token
    ) as given
    left join queues q on q.name = given.queue
    where coalesce(q.drained, 0) = 0
)
returning id, status, rank, priority

-- name: insert_statement
-- For a transaction of the caller's on any connection: what `insert_plain` does, with what the queue says looked up.
insert into jobs (
    status, queue, task, rank, priority, due, received_at, args, definition, requester, options,
    epoch, attempt, failures, crashes, open_parents, cursor, op_count, log_serial)
select
    case when due > now then 0 else 1 end, queue, task,
    case
        when aging > 0 then due + cast(priority * aging * 1000000 as integer)
        else priority * 144115188075855872 + 72057594037927936 + due
    end,
    priority, due, now, args, null, requester, options, 0, 0, 0, 0, 0, 0, 1, 0
from (
    select given.*, coalesce(given.own_priority, q.priority, 0) as priority, coalesce(q.aging, 0) as aging
    from (
        select
            :queue as queue, :task as task, :priority as own_priority, :args as args, :requester as requester,
            :options as options, cast((julianday('now') - 2440587.5) * 86400000000 as integer) as now,
            coalesce(:due, cast((julianday('now') - 2440587.5) * 86400000000 as integer) + :delay) as due
    ) as given
    left join queues q on q.name = given.queue
    where coalesce(q.drained, 0) = 0
)

-- name: unique_holder
select * from jobs where unique_key = :unique_key

-- name: let_unique_go
update jobs set unique_key = null where id = :id

-- name: get
select * from jobs where id = :id

-- name: lock
-- Differs from PostgreSQL, which locks the row: here the transaction is the only writer.
select * from jobs where id = :id

-- name: get_many
select * from jobs where id in (select value from json_each(:ids))

-- name: lock_many
-- Differs from PostgreSQL, which locks the rows.
select * from jobs where id in (select value from json_each(:ids)) order by id

-- name: parents
select id, status, queue, task from jobs where id in (select value from json_each(:ids)) order by id

-- name: parents_for_update
-- Differs from PostgreSQL, which locks the rows: here the transaction is the only writer.
select id, status, queue, task from jobs where id in (select value from json_each(:ids)) order by id

-- name: promote
-- Jobs whose due has come become queued, the earliest first.
update jobs set status = 1 where id in (
    select id from jobs where status = 0 and due <= :now order by due limit :limit)

-- name: next_due
select min(due) from jobs where status = 0

-- name: ready_queues
-- A loose index scan: one look-up for each queue that has ready jobs, however many those are.
with recursive ready (queue) as (
    select min(queue) from jobs where status = 1
    union all
    select (select min(j.queue) from jobs j where j.status = 1 and j.queue > ready.queue)
    from ready where ready.queue is not null)
select queue from ready where queue is not null

-- name: claim
update jobs set
    status = 4, epoch = epoch + 1, attempt = attempt + 1, worker = :worker, started_at = :now, exec_at = null,
    ended_at = null, machine = null, heartbeat = null, logtail = null,
    unique_key = case when unique_until = 0 then null else unique_key end
where id in (
    select id from jobs
    where queue = :queue and status = 1 and (rank, id) > (:after_rank, :after_id)
        and task in (select value from json_each(:tasks))
    order by rank, id limit :limit)
returning *

-- name: claim_usual
-- A claim that is a transaction of its own, for an idle worker. It gives jobs only where nothing else has to be asked or
-- done with them: the tables are of this version, the worker is alive, its machine online, its queue has the defaults and,
-- if it serves all, it alone has jobs; nothing has come due or expired, and all the best jobs are usual ones, that need no
-- more than their row.
with free as materialized (
    select 1 from workers w left join machines m on m.name = w.machine
    where w.id = :worker and w.state in ('running', 'stopping') and coalesce(m.state, 'online') = 'online'
        and (select max(version) from schema_version) = :version
        and not exists (select 1 from queues where name = :queue)
        and (:serves_all = 0 or (
            (select min(queue) from jobs where status = 1) = :queue
            and (select max(queue) from jobs where status = 1) = :queue))
        and not exists (select 1 from jobs where status = 0 and due <= :now)
        and not exists (select 1 from jobs where expires <= :now and status < 4)),
candidates as materialized (
    select id, op_count = 1 and crashes = 0 and refs is null and definition is null as is_usual from jobs
    where queue = :queue and status = 1 and (rank, id) > (:after_rank, :after_id) and exists (select 1 from free)
        and task in (select value from json_each(:tasks))
    order by rank, id limit :limit)
update jobs set
    status = 4, epoch = epoch + 1, attempt = attempt + 1, worker = :worker, started_at = :now, exec_at = null,
    ended_at = null, machine = null, heartbeat = null, logtail = null,
    unique_key = case when unique_until = 0 then null else unique_key end
where id in (select id from candidates) and (select min(is_usual) from candidates)
returning *

-- name: candidates
select rank, id from jobs
where queue = :queue and status = 1 and (rank, id) > (:after_rank, :after_id)
    and task in (select value from json_each(:tasks))
order by rank, id limit :limit

-- name: any_ready
select exists (
    select 1 from jobs
    where queue = :queue and status = 1 and task in (select value from json_each(:tasks)))

-- name: finish
-- rows: [id, epoch, status, result, error, exec_at, allowed]; allowed is 5 where a canceling job may end so, else 4.
update jobs set
    status = json_extract(r.value, '$[2]'), result = json_extract(r.value, '$[3]'),
    error = json_extract(r.value, '$[4]'), exec_at = coalesce(json_extract(r.value, '$[5]'), exec_at),
    ended_at = :now, unique_key = case when unique_until > 0 then unique_key end
from json_each(:rows) as r
where jobs.id = json_extract(r.value, '$[0]') and jobs.epoch = json_extract(r.value, '$[1]')
    and jobs.status between 4 and json_extract(r.value, '$[6]')
returning jobs.id

-- name: give_back
-- From running to scheduled, queued or suspended: a retry, a hand-back, a reclaim, SuspendJob.
-- rows: [id, epoch, status, due, rank, attempt, failures, crashes, error, task, options]
update jobs set
    status = json_extract(r.value, '$[2]'), due = json_extract(r.value, '$[3]'), rank = json_extract(r.value, '$[4]'),
    attempt = json_extract(r.value, '$[5]'), failures = json_extract(r.value, '$[6]'),
    crashes = json_extract(r.value, '$[7]'), error = json_extract(r.value, '$[8]'),
    task = json_extract(r.value, '$[9]'), options = json_extract(r.value, '$[10]'),
    epoch = jobs.epoch + 1, worker = null, started_at = null, exec_at = null,
    machine = null, heartbeat = null, logtail = null
from json_each(:rows) as r
where jobs.id = json_extract(r.value, '$[0]') and jobs.epoch = json_extract(r.value, '$[1]') and jobs.status = 4
returning jobs.id

-- name: advance
-- An op returned and others follow.
update jobs set cursor = cursor + 1, task = :task, priority = :priority, rank = :rank, exec_at = null
where id = :id and epoch = :epoch and cursor = :cursor and status in (4, 5)

-- name: hold
-- The fence of every other write of a run: changes nothing unless the run still holds the job.
update jobs set log_serial = log_serial + :lines where id = :id and epoch = :epoch and status in (4, 5)
returning log_serial

-- name: beat
update jobs set heartbeat = :now, logtail = coalesce(:logtail, logtail)
where id = :id and epoch = :epoch and status in (4, 5)

-- name: to_canceling
update jobs set status = 5 where id = :id and status = 4

-- name: change
-- Any change of an unheld or final job, decided from the row as it was read in this transaction.
update jobs set
    status = :status, due = :due, rank = :rank, priority = :priority, failures = :failures, epoch = :epoch,
    open_parents = :open_parents, ended_at = :ended_at, started_at = :started_at, error = :error, result = :result,
    unique_key = :unique_key, unique_until = :unique_until, options = :options, worker = :worker, crashes = :crashes,
    machine = :machine, heartbeat = :heartbeat, logtail = :logtail, attempt = :attempt, cursor = :cursor, task = :task,
    exec_at = :exec_at
where id = :id

-- name: held_by
select * from jobs where worker = :worker and status in (4, 5) order by id

-- name: expired
select * from jobs where expires <= :now and status < 4 limit :limit

-- name: count_ready
select count(*) from jobs where status = 1

-- name: count_due
-- Each part reads one small index: the finished jobs, which may be millions, are not looked at.
select (select count(*) from jobs where status = 1) + (select count(*) from jobs where status in (4, 5))
    + (select count(*) from jobs where status = 0 and due <= :now)

-- name: rerank
update jobs set rank = json_extract(r.value, '$[1]')
from json_each(:rows) as r
where jobs.id = json_extract(r.value, '$[0]') and jobs.status < 4

-- name: of_queue_after
select * from jobs where queue = :queue and id > :id and status < 4 order by id limit :limit

-- name: prunable
-- Oldest first, behind the (ended_at, id) given. A job that an unfinished one depends on stays, one that is kept for
-- its unique key, a build that waits for its clean-up, and of a definition what it keeps for longer, the builds that
-- count its failures, and its latest success.
select j.id, j.ended_at from jobs j
where j.ended_at >= :ended_at and (j.ended_at, j.id) > (:ended_at, :id) and j.ended_at < :before
    and j.ended_at is not null and (j.status = 7) = :failed
    and (j.unique_key is null or j.unique_until is null or j.unique_until <= :now)
    and not exists (
        select 1 from dependencies d join jobs c on c.id = d.child where d.parent = j.id and c.status < 6)
    and not exists (select 1 from builds b where b.job = j.id and b.cleanup is not null)
    and not exists (
        select 1 from definitions d
        where d.name = j.definition and (
            j.id = d.last_build or j.ended_at >= d.failing_since or j.ended_at >= :now - d.keep))
order by j.ended_at, j.id limit :limit

-- name: prunable_of_definitions
-- What definitions keep for less long than all others are kept.
select j.id
from definitions d join builds made on made.definition = d.name join jobs j on j.id = made.job
where d.keep is not null and j.status >= 6 and j.ended_at < :now - d.keep
    and j.ended_at >= case j.status when 7 then :failed else :usual end
    and j.id <> coalesce(d.last_build, 0) and j.ended_at < coalesce(d.failing_since, j.ended_at + 1)
    and (j.unique_key is null or j.unique_until is null or j.unique_until <= :now)
    and not exists (select 1 from builds b where b.job = j.id and b.cleanup is not null)
    and not exists (
        select 1 from dependencies e join jobs c on c.id = e.child where e.parent = j.id and c.status < 6)
    and j.id > :id
order by j.id limit :limit

-- name: delete
delete from jobs where id in (select value from json_each(:ids))

-- name: insert_ops
insert into ops (job, idx, task, args, refs, priority) values (:job, :idx, :task, :args, :refs, :priority)

-- name: ops
select * from ops where job in (select value from json_each(:ids)) order by job, idx

-- name: delete_ops
delete from ops where job in (select value from json_each(:ids))

-- name: change_op
update ops set
    result = :result, error = :error, priority = :priority, started_at = :started_at, exec_at = :exec_at,
    ended_at = :ended_at
where job = :job and idx = :idx

-- name: add_attempts
insert or replace into attempts (job, number, worker, started_at, ended_at, outcome, error)
values (:job, :number, :worker, :started_at, :ended_at, :outcome, :error)

-- name: attempts
select * from attempts where job = :job order by number

-- name: delete_attempts
delete from attempts where job in (select value from json_each(:ids))

-- name: add_token
insert into tokens (token, job, at) values (:token, :job, :at) on conflict (token) do nothing returning job

-- name: token
select job from tokens where token = :token

-- name: move_token
update tokens set job = :job where token = :token

-- name: delete_old_tokens
delete from tokens where token in (
    select token from tokens
    where at < :before and not exists (select 1 from jobs where jobs.id = tokens.job)
    order by at limit :limit)

-- name: count_old_tokens
select count(*) from tokens where at < :before and not exists (select 1 from jobs where jobs.id = tokens.job)

-- name: results
-- What was returned by hand is stored without regard to the annotations of the task, and so has none.
select j.id, case when j.worker is null and b.config is not null then '' else j.task end, j.result
from jobs j left join builds b on b.job = j.id
where j.id in (select value from json_each(:ids))

-- name: set_options
-- rows: [id, options]
update jobs set options = json_extract(r.value, '$[1]') from json_each(:rows) as r
where jobs.id = json_extract(r.value, '$[0]')

-- name: set_requester
update jobs set requester = :requester where id = :id

-- name: set_crashes
update jobs set crashes = :crashes where id = :id

-- name: pin
-- The references by name of a job that starts become references to builds.
update jobs set refs = :refs, options = :options where id = :id
