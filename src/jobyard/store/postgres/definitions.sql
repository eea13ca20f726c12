-- name: list
select * from main.definitions order by position, name

-- name: get
select * from main.definitions where name = :name

-- name: get_many
select * from main.definitions where name = any(array(select json_array_elements_text(:names::text::json))) order by name

-- name: lock
-- In the order of their names, so that two transactions that need the same ones do not wait for each other.
select * from main.definitions
where name = any(array(select json_array_elements_text(:names::text::json))) order by name for update

-- name: last_position
select coalesce(max(position), 0) from main.definitions

-- name: insert
insert into main.definitions (
    name, position, state, task, recurring, keep, options, failures, failing_since, last_started, last_successful,
    last_build, last_build_at, created_at, changed_at)
select * from unnest(
    :name::text[], :position::integer[], :state::text[], :task::text[], :recurring::integer[], :keep::bigint[],
    :options::text[], :failures::integer[], :failing_since::bigint[], :last_started::bigint[],
    :last_successful::bigint[], :last_build::bigint[], :last_build_at::bigint[], :created_at::bigint[],
    :changed_at::bigint[])

-- name: change
update main.definitions set
    state = :state, task = :task, recurring = :recurring, keep = :keep, options = :options, failures = :failures,
    failing_since = :failing_since, last_started = :last_started, last_successful = :last_successful,
    last_build = :last_build, last_build_at = :last_build_at, changed_at = :changed_at
where name = :name

-- name: publish
-- Hold the definitions of these runs, by name, and note those whose first success it is: *job* is null for other ends.
-- Not sent where none can be the first; `record` holds them then, in the same order.
with held as materialized (
    select r.*, d.last_build
    from (
        select * from unnest(:definition::text[], :at::bigint[], :user::text[], :job::bigint[], :machine::text[])
            as r (definition, at, "user", job, machine)
        order by definition collate "C" offset 0) as r
    cross join lateral (select last_build from main.definitions where name = r.definition for update) as d)
insert into main.events (at, kind, "user", job, definition, machine)
select at, 'publish', "user", job, definition, machine
from held
where job is not null and last_build is null
    -- that build may be gone
    and not exists (select 1 from main.events e where e.definition = held.definition and e.kind = 'publish')

-- name: record
-- What runs change. Of builds that run at the same time the newest is the latest success, whichever ended last.
update main.definitions set
    last_started = greatest(coalesce(last_started, 0), r.started),
    last_successful = coalesce(r.successful, last_successful),
    last_build = case when r.build >= coalesce(last_build, 0) then r.build else last_build end,
    last_build_at = case when r.build >= coalesce(last_build, 0) then r.ended else last_build_at end,
    failing_since = case
        when r.failed = 0 then case when r.reset = 1 then null else failing_since end
        when r.reset = 1 then r.ended
        else coalesce(failing_since, r.ended)
    end,
    failures = case when r.reset = 1 then r.failed else failures + r.failed end
from (
    select * from unnest(
        :name::text[], :ended::bigint[], :started::bigint[], :successful::bigint[], :build::bigint[],
        :reset::integer[], :failed::integer[])
        as r (name, ended, started, successful, build, reset, failed) offset 0) as r
where r.name = r.name || '' and definitions.name = r.name -- as with `+r.id` in jobs.sql

-- name: delete
delete from main.definitions where name = :name

-- name: add_dependency
insert into main.definition_dependencies (definition, dependency, position)
select * from unnest(:definition::text[], :dependency::text[], :position::integer[])

-- name: delete_dependencies
delete from main.definition_dependencies
where definition = any(array(select json_array_elements_text(:names::text::json)))

-- name: dependencies
select definition, dependency from main.definition_dependencies order by definition, position

-- name: last_builds
select name, last_build from main.definitions
where name = any(array(select json_array_elements_text(:names::text::json))) and last_build is not null

-- name: holders
-- The unfinished job of each recurrence.
select d.name, j.id, j.status, j.due
from main.definitions d join main.jobs j on j.unique_key = 'definition:' || d.name

-- name: runs
-- The newest runs of one definition. A job that never started is none.
select coalesce(j.machine, w.machine), j.*
from main.builds b
cross join lateral (select * from main.jobs where id = b.job and status >= 6 and attempt > 0 offset 0) as j
left join main.workers w on w.id = j.worker
where b.definition = :name order by b.job desc limit :limit

-- name: recent
-- The newest runs of each definition, in one text: a listing of thousands has ten times as many runs.
select d.name, (
    select json_agg(json_build_array(j.id, j.status, j.options, j.started_at, j.ended_at))::text
    from (
        select j.* from main.builds b
        cross join lateral (select * from main.jobs where id = b.job and status >= 6 and attempt > 0 offset 0) as j
        where b.definition = d.name order by b.job desc limit :limit) j)
from main.definitions d

-- name: running
select distinct definition from main.jobs where status in (4, 5) and definition is not null
