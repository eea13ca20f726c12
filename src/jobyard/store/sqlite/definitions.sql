-- name: list
select * from definitions order by position, name

-- name: get
select * from definitions where name = :name

-- name: get_many
select * from definitions where name in (select value from json_each(:names)) order by name

-- name: lock
-- Differs from PostgreSQL, which locks the rows: here the transaction is the only writer.
select * from definitions where name in (select value from json_each(:names)) order by name

-- name: last_position
select coalesce(max(position), 0) from definitions

-- name: insert
insert into definitions (
    name, position, state, task, recurring, keep, options, failures, failing_since, last_started, last_successful,
    last_build, last_build_at, created_at, changed_at)
values (
    :name, :position, :state, :task, :recurring, :keep, :options, :failures, :failing_since, :last_started,
    :last_successful, :last_build, :last_build_at, :created_at, :changed_at)

-- name: change
update definitions set
    state = :state, task = :task, recurring = :recurring, keep = :keep, options = :options, failures = :failures,
    failing_since = :failing_since, last_started = :last_started, last_successful = :last_successful,
    last_build = :last_build, last_build_at = :last_build_at, changed_at = :changed_at
where name = :name

-- name: publish
-- Hold the definitions of these runs, by name, and note those whose first success it is: *job* is null for other ends.
-- Not sent where none can be the first; `record` holds them then, in the same order.
with r (definition, at, user, job, machine) as (values (:definition, :at, :user, :job, :machine))
insert into events (at, kind, user, job, definition, machine)
select r.at, 'publish', r.user, r.job, r.definition, r.machine
from r join definitions d on d.name = r.definition
where r.job is not null and d.last_build is null
    and not exists (select 1 from events where definition = d.name and kind = 'publish') -- that build may be gone

-- name: record
-- What runs change. Of builds that run at the same time the newest is the latest success, whichever ended last.
with r (name, ended, started, successful, build, reset, failed) as (
    values (:name, :ended, :started, :successful, :build, :reset, :failed))
update definitions set
    last_started = max(coalesce(last_started, 0), r.started),
    last_successful = coalesce(r.successful, last_successful),
    last_build = case when r.build >= coalesce(last_build, 0) then r.build else last_build end,
    last_build_at = case when r.build >= coalesce(last_build, 0) then r.ended else last_build_at end,
    failing_since = case
        when r.failed = 0 then case when r.reset = 1 then null else failing_since end
        when r.reset = 1 then r.ended
        else coalesce(failing_since, r.ended)
    end,
    failures = case when r.reset = 1 then r.failed else failures + r.failed end
from r where definitions.name = r.name

-- name: delete
delete from definitions where name = :name

-- name: add_dependency
insert into definition_dependencies (definition, dependency, position) values (:definition, :dependency, :position)

-- name: delete_dependencies
delete from definition_dependencies where definition in (select value from json_each(:names))

-- name: dependencies
select definition, dependency from definition_dependencies order by definition, position

-- name: last_builds
select name, last_build from definitions where name in (select value from json_each(:names)) and last_build is not null

-- name: holders
-- The unfinished job of each recurrence.
select d.name, j.id, j.status, j.due
from definitions d join jobs j on j.unique_key = 'definition:' || d.name

-- name: runs
-- The newest runs of one definition. A job that never started is none.
select coalesce(j.machine, w.machine), j.*
from builds b cross join jobs j on j.id = b.job left join workers w on w.id = j.worker
where b.definition = :name and j.status >= 6 and j.attempt > 0
order by b.job desc limit :limit

-- name: recent
-- The newest runs of each definition, in one text: a listing of thousands has ten times as many runs.
select d.name, (
    select json_group_array(json_array(j.id, j.status, j.options, j.started_at, j.ended_at))
    from (
        select j.* from builds b cross join jobs j on j.id = b.job
        where b.definition = d.name and j.status >= 6 and j.attempt > 0 order by b.job desc limit :limit) j)
from definitions d

-- name: running
-- SQLite would read all that definitions ever ran.
select distinct definition from jobs indexed by jobs_held where status in (4, 5) and definition is not null
