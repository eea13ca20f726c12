-- `main.` stands for the schema of the URL. Batches travel as one JSON text, where SQLite takes them so too, or as
-- arrays of columns. Writes to many rows that others may hold lock them first, in the order of their ids.
--
-- `r.id = +r.id` is true, and has the planner expect few rows of a batch. So it looks each up by the index of the table that
-- the batch is joined to, however small that is; else a plan made for a small table would read all of it once it has grown.

-- name: reserve
-- Differs from SQLite: others take ids at the same time, so it may be several ranges.
select min(id), max(id)
from (
    select id, id - row_number() over (order by id) as island
    from (select nextval('main.jobs_id') as id from generate_series(1, :count)) as taken
) as numbered
group by island order by 1

-- name: insert
insert into main.jobs (
    id, status, queue, task, rank, priority, due, epoch, attempt, failures, crashes, open_parents, cursor, op_count,
    worker, received_at, started_at, exec_at, ended_at, machine, heartbeat, logtail, args, refs, result, error,
    unique_key, unique_until, definition, requester, log_serial, expires, options)
select * from unnest(
    :id::bigint[], :status::smallint[], :queue::text[], :task::text[], :rank::bigint[], :priority::smallint[],
    :due::bigint[], :epoch::bigint[], :attempt::integer[], :failures::integer[], :crashes::integer[],
    :open_parents::integer[], :cursor::integer[], :op_count::integer[], :worker::bigint[], :received_at::bigint[],
    :started_at::bigint[], :exec_at::bigint[], :ended_at::bigint[], :machine::text[], :heartbeat::bigint[],
    :logtail::text[], :args::text[], :refs::text[], :result::text[], :error::text[], :unique_key::text[],
    :unique_until::bigint[], :definition::text[], :requester::text[], :log_serial::bigint[], :expires::bigint[],
    :options::text[])

-- name: insert_unique
-- No row comes back where the key is held; a holder that is not committed yet is waited for.
insert into main.jobs (
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
-- The usual job: one op, no references, no unique key. What is not named has its default.
insert into main.jobs (
    id, status, queue, task, rank, priority, due, received_at, args, definition, requester, options)
select * from unnest(
    :id::bigint[], :status::smallint[], :queue::text[], :task::text[], :rank::bigint[], :priority::smallint[],
    :due::bigint[], :received_at::bigint[], :args::text[], :definition::text[], :requester::text[], :options::text[])

-- name: insert_one
-- One usual job, in one statement: what the queue says is looked up here, and a drained one gives no row. The reply may
-- be lost, so the job has a token by which the repeat finds it.
with made as (
    insert into main.jobs (status, queue, task, rank, priority, due, received_at, args, definition, requester, options)
    select
        case when due > now then 0 else 1 end, queue, task,
        case
            when aging > 0 then due + trunc(priority * aging * 1000000)::bigint
            else priority * 144115188075855872 + 72057594037927936 + due
        end,
        priority, due, now, args, definition, requester, options
    from (
        select given.*, coalesce(given.own_priority, q.priority, 0) as priority, coalesce(q.aging, 0) as aging
        from (
            select
                :queue::text as queue, :task::text as task, :priority::smallint as own_priority, :due::bigint as due,
                :now::bigint as now, :args::text as args, :definition::text as definition, :requester::text as requester,
                :options::text as options
        ) as given
        left join main.queues q on q.name = given.queue
        where coalesce(q.drained, 0) = 0
    ) as job
    returning id, status, rank, priority),
noted as (insert into main.tokens (token, job, at) select :token, id, :now from made)
select id, status, rank, priority from made

-- name: insert_statement
-- For a transaction of the caller's on any connection: what `insert_plain` does, with what the queue says looked up.
-- What wakes the workers comes behind it, in `returning`, so that a drained queue wakes nobody.
insert into main.jobs (status, queue, task, rank, priority, due, received_at, args, requester, options)
select
    case when due > now then 0 else 1 end, queue, task,
    case
        when aging > 0 then due + trunc(priority * aging * 1000000)::bigint
        else priority * 144115188075855872 + 72057594037927936 + due
    end,
    priority, due, now, args, requester, options
from (
    select given.*, coalesce(given.own_priority, q.priority, 0) as priority, coalesce(q.aging, 0) as aging
    from (
        select
            cast(:queue as text) as queue, cast(:task as text) as task, cast(:priority as smallint) as own_priority,
            cast(:args as text) as args, cast(:requester as text) as requester, cast(:options as text) as options, now,
            coalesce(cast(:due as bigint), now + cast(:delay as bigint)) as due
        from (select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint) as now) as clock
    ) as given
    left join main.queues q on q.name = given.queue
    where coalesce(q.drained, 0) = 0
) as job

-- name: unique_holder
select * from main.jobs where unique_key = :unique_key

-- name: let_unique_go
update main.jobs set unique_key = null where id = :id

-- name: get
select * from main.jobs where id = :id

-- name: lock
-- Differs from SQLite: what is decided from the row must not be overtaken.
select * from main.jobs where id = :id for no key update

-- name: get_many
select * from main.jobs where id = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))

-- name: lock_many
select * from main.jobs where id = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))
order by id for no key update

-- name: parents
select id, status, queue, task from main.jobs
where id = any(array(select value::bigint from json_array_elements_text(:ids::text::json))) order by id

-- name: parents_for_update
-- Differs from SQLite: the rows are locked, in the order of their ids, so that none of them ends before the edge out
-- of it is committed.
select id, status, queue, task from main.jobs
where id = any(array(select value::bigint from json_array_elements_text(:ids::text::json))) order by id for share

-- name: promote
-- Jobs whose due has come become queued, the earliest first.
with found as materialized (
    select id from main.jobs where status = 0 and due <= :now order by due limit :limit for no key update skip locked)
update main.jobs set status = 1 where id = any(array(select id from found))

-- name: next_due
select min(due) from main.jobs where status = 0

-- name: ready_queues
-- A loose index scan: one look-up for each queue that has ready jobs, however many those are.
with recursive ready (queue) as (
    select min(queue) from main.jobs where status = 1
    union all
    select (select min(j.queue) from main.jobs j where j.status = 1 and j.queue > ready.queue)
    from ready where ready.queue is not null)
select queue from ready where queue is not null

-- name: claim
-- Candidates are chosen apart and once, so that no plan can take more than the limit. after_rank and after_id: see
-- hints.py.
with candidates as materialized (
    select id from main.jobs
    where queue = :queue and status = 1 and (rank, id) > (:after_rank, :after_id)
        and task = any(array(select value from json_array_elements_text(:tasks::text::json)))
    order by rank, id limit :limit for no key update skip locked)
update main.jobs set
    status = 4, epoch = epoch + 1, attempt = attempt + 1, worker = :worker, started_at = :now, exec_at = null,
    ended_at = null, machine = null, heartbeat = null, logtail = null,
    unique_key = case when unique_until = 0 then null else unique_key end
where id = any(array(select id from candidates))
returning *

-- name: claim_usual
-- A claim that is a transaction of its own, for an idle worker. It gives jobs only where nothing else has to be asked or
-- done with them: the tables are of this version, the worker is alive, its machine online, its queue has the defaults and,
-- if it serves all, it alone has jobs; nothing has come due or expired, and all the best jobs are usual ones, that need no
-- more than their row.
with free as materialized (
    select 1 from main.workers w left join main.machines m on m.name = w.machine
    where w.id = :worker and w.state in ('running', 'stopping') and coalesce(m.state, 'online') = 'online'
        and (select max(version) from main.schema_version) = :version
        and not exists (select 1 from main.queues where name = :queue)
        and (:serves_all::integer = 0 or (
            (select min(queue) from main.jobs where status = 1) = :queue
            and (select max(queue) from main.jobs where status = 1) = :queue))
        and not exists (select 1 from main.jobs where status = 0 and due <= :now)
        and not exists (select 1 from main.jobs where expires <= :now and status < 4)
    for share of w),
candidates as materialized (
    select id, op_count = 1 and crashes = 0 and refs is null and definition is null as is_usual from main.jobs
    where queue = :queue and status = 1 and (rank, id) > (:after_rank, :after_id) and exists (select 1 from free)
        and task = any(array(select value from json_array_elements_text(:tasks::text::json)))
    order by rank, id limit :limit for no key update skip locked)
update main.jobs set
    status = 4, epoch = epoch + 1, attempt = attempt + 1, worker = :worker, started_at = :now, exec_at = null,
    ended_at = null, machine = null, heartbeat = null, logtail = null,
    unique_key = case when unique_until = 0 then null else unique_key end
where id = any(array(select id from candidates)) and (select bool_and(is_usual) from candidates)
returning *

-- name: candidates
select rank, id from main.jobs
where queue = :queue and status = 1 and (rank, id) > (:after_rank, :after_id)
    and task = any(array(select value from json_array_elements_text(:tasks::text::json)))
order by rank, id limit :limit

-- name: any_ready
select exists (
    select 1 from main.jobs
    where queue = :queue and status = 1
        and task = any(array(select value from json_array_elements_text(:tasks::text::json))))

-- name: finish
-- allowed is 5 where a canceling job may end so, else 4.
update main.jobs set
    status = r.status, result = r.result, error = r.error, exec_at = coalesce(r.exec_at, jobs.exec_at),
    ended_at = :now, unique_key = case when unique_until > 0 then unique_key end
from unnest(
    :id::bigint[], :epoch::bigint[], :status::smallint[], :result::text[], :error::text[], :exec_at::bigint[],
    :allowed::smallint[]) as r (id, epoch, status, result, error, exec_at, allowed)
where r.id = +r.id and jobs.id = r.id and jobs.epoch = r.epoch and jobs.status between 4 and r.allowed
returning jobs.id

-- name: give_back
-- From running to scheduled, queued or suspended: a retry, a hand-back, a reclaim, SuspendJob.
-- rows: [id, epoch, status, due, rank, attempt, failures, crashes, error, task, options]
-- `+status`, else the planner may take all that is held, and look through the batch for each.
update main.jobs set
    status = (r ->> 2)::smallint, due = (r ->> 3)::bigint, rank = (r ->> 4)::bigint, attempt = (r ->> 5)::integer,
    failures = (r ->> 6)::integer, crashes = (r ->> 7)::integer, error = r ->> 8, task = r ->> 9, options = r ->> 10,
    epoch = jobs.epoch + 1, worker = null, started_at = null, exec_at = null,
    machine = null, heartbeat = null, logtail = null
from (select r, (r ->> 0)::bigint as id from json_array_elements(:rows::text::json) as r offset 0) as rows
where rows.id = +rows.id and jobs.id = rows.id and jobs.epoch = (r ->> 1)::bigint and +jobs.status = 4
returning jobs.id

-- name: advance
-- An op returned and others follow.
update main.jobs set cursor = cursor + 1, task = :task, priority = :priority, rank = :rank, exec_at = null
where id = :id and epoch = :epoch and cursor = :cursor and status in (4, 5)

-- name: hold
-- The fence of every other write of a run: changes nothing unless the run still holds the job.
update main.jobs set log_serial = log_serial + :lines where id = :id and epoch = :epoch and status in (4, 5)
returning log_serial

-- name: beat
update main.jobs set heartbeat = :now, logtail = coalesce(:logtail, logtail)
where id = :id and epoch = :epoch and status in (4, 5)

-- name: to_canceling
update main.jobs set status = 5 where id = :id and status = 4

-- name: change
-- Any change of an unheld or final job, decided from the row as it was locked in this transaction.
update main.jobs set
    status = :status, due = :due, rank = :rank, priority = :priority, failures = :failures, epoch = :epoch,
    open_parents = :open_parents, ended_at = :ended_at, started_at = :started_at, error = :error, result = :result,
    unique_key = :unique_key, unique_until = :unique_until, options = :options, worker = :worker, crashes = :crashes,
    machine = :machine, heartbeat = :heartbeat, logtail = :logtail, attempt = :attempt, cursor = :cursor, task = :task,
    exec_at = :exec_at
where id = :id

-- name: held_by
select * from main.jobs where worker = :worker and status in (4, 5) order by id

-- name: expired
select * from main.jobs where expires <= :now and status < 4
order by expires limit :limit for no key update skip locked

-- name: count_ready
select count(*) from main.jobs where status = 1

-- name: count_due
-- Each part reads one small index: the finished jobs, which may be millions, are not looked at.
select (select count(*) from main.jobs where status = 1) + (select count(*) from main.jobs where status in (4, 5))
    + (select count(*) from main.jobs where status = 0 and due <= :now)

-- name: rerank
-- rows: [id, rank], by id
with locked as materialized (
    select j.id, r.rank
    from (select (r ->> 0)::bigint as id, (r ->> 1)::bigint as rank
        from json_array_elements(:rows::text::json) as r offset 0) as r
    cross join lateral (select id from main.jobs where id = r.id and status < 4 for no key update) as j)
update main.jobs set rank = r.rank from locked as r where r.id = +r.id and jobs.id = r.id

-- name: of_queue_after
select * from main.jobs where queue = :queue and id > :id and status < 4 order by id limit :limit

-- name: prunable
-- Oldest first, behind the (ended_at, id) given. A job that an unfinished one depends on stays, one that is kept for
-- its unique key, a build that waits for its clean-up, and of a definition what it keeps for longer, the builds that
-- count its failures, and its latest success. With `offset` they are looked up one by one, not joined.
select j.id, j.ended_at from main.jobs j
where j.ended_at >= :ended_at and (j.ended_at, j.id) > (:ended_at, :id) and j.ended_at < :before
    and j.ended_at is not null and (j.status = 7)::integer = :failed
    and (j.unique_key is null or j.unique_until is null or j.unique_until <= :now)
    and not exists (
        select 1 from main.dependencies d
        where d.parent = j.id and (select status from main.jobs where id = d.child) < 6 offset 0)
    and not exists (select 1 from main.builds b where b.job = j.id and b.cleanup is not null offset 0)
    and not exists (
        select 1 from main.definitions d
        where d.name = j.definition and (
            j.id = d.last_build or j.ended_at >= d.failing_since or j.ended_at >= :now - d.keep)
        offset 0)
order by j.ended_at, j.id limit :limit

-- name: prunable_of_definitions
-- What definitions keep for less long than all others are kept.
select j.id
from main.definitions d join main.builds made on made.definition = d.name join main.jobs j on j.id = made.job
where d.keep is not null and j.status >= 6 and j.ended_at < :now - d.keep
    and j.ended_at >= case j.status when 7 then :failed::bigint else :usual::bigint end
    and j.id <> coalesce(d.last_build, 0) and j.ended_at < coalesce(d.failing_since, j.ended_at + 1)
    and (j.unique_key is null or j.unique_until is null or j.unique_until <= :now)
    and not exists (select 1 from main.builds b where b.job = j.id and b.cleanup is not null)
    and not exists (
        select 1 from main.dependencies e join main.jobs c on c.id = e.child where e.parent = j.id and c.status < 6)
    and j.id > :id
order by j.id limit :limit

-- name: delete
delete from main.jobs where id = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))

-- name: insert_ops
insert into main.ops (job, idx, task, args, refs, priority)
select * from unnest(
    :job::bigint[], :idx::integer[], :task::text[], :args::text[], :refs::text[], :priority::smallint[])

-- name: ops
select * from main.ops where job = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))
order by job, idx

-- name: delete_ops
delete from main.ops where job = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))

-- name: change_op
update main.ops set
    result = :result, error = :error, priority = :priority, started_at = :started_at, exec_at = :exec_at,
    ended_at = :ended_at
where job = :job and idx = :idx

-- name: add_attempts
insert into main.attempts (job, number, worker, started_at, ended_at, outcome, error)
select * from unnest(
    :job::bigint[], :number::integer[], :worker::text[], :started_at::bigint[], :ended_at::bigint[], :outcome::text[],
    :error::text[])
on conflict (job, number) do update set
    worker = excluded.worker, started_at = excluded.started_at, ended_at = excluded.ended_at,
    outcome = excluded.outcome, error = excluded.error

-- name: attempts
select * from main.attempts where job = :job order by number

-- name: delete_attempts
delete from main.attempts where job = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))

-- name: add_token
insert into main.tokens (token, job, at) values (:token, :job, :at) on conflict (token) do nothing returning job

-- name: token
select job from main.tokens where token = :token

-- name: move_token
update main.tokens set job = :job where token = :token

-- name: delete_old_tokens
delete from main.tokens where token in (
    select token from main.tokens
    where at < :before and not exists (select 1 from main.jobs where jobs.id = tokens.job)
    order by at limit :limit)

-- name: count_old_tokens
select count(*) from main.tokens where at < :before and not exists (select 1 from main.jobs where jobs.id = tokens.job)

-- name: results
-- What was returned by hand is stored without regard to the annotations of the task, and so has none.
select j.id, case when j.worker is null and by_hand then '' else j.task end, j.result
from main.jobs j, lateral (select (select config from main.builds where job = j.id) is not null as by_hand) as b
where j.id = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))

-- name: set_options
-- rows: [id, options]
update main.jobs set options = r.options
from (select (r ->> 0)::bigint as id, r ->> 1 as options
    from json_array_elements(:rows::text::json) as r offset 0) as r
where r.id = +r.id and jobs.id = r.id

-- name: set_requester
update main.jobs set requester = :requester where id = :id

-- name: set_crashes
update main.jobs set crashes = :crashes where id = :id

-- name: pin
-- The references by name of a job that starts become references to builds.
update main.jobs set refs = :refs, options = :options where id = :id
