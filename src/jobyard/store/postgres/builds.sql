-- name: add
insert into main.builds (job, definition, recipe, config, dependency_builds, cleanup)
select * from unnest(
    :job::bigint[], :definition::text[], :recipe::text[], :config::text[], :dependency_builds::text[], :cleanup::text[])

-- name: pin
update main.builds set dependency_builds = :dependency_builds where job = :job

-- name: get_cleanup
-- With the result to call it with, and the task by whose annotations that is read: none for one that was returned by
-- hand.
select b.job, b.cleanup, case when j.worker is null and b.config is not null then '' else j.task end, j.result, j.attempt
from main.builds b join main.jobs j on j.id = b.job
where b.job = :job and b.cleanup is not null

-- name: old_cleanups
-- What is old enough to be pruned, but for its clean-up; those first that did not fail before.
select b.job, b.cleanup
from main.builds b join main.jobs j on j.id = b.job left join main.definitions d on d.name = j.definition
where b.cleanup is not null and j.status >= 6
    and j.ended_at < case when d.keep is not null then :now - d.keep when j.status = 7 then :failed else :usual end
    and j.id <> coalesce(d.last_build, 0) and j.ended_at < coalesce(d.failing_since, j.ended_at + 1)
order by b.cleanup_at is not null, b.job limit :limit

-- name: begin_cleanup
-- No row comes back where another has begun it after this instant, and not failed.
update main.builds set cleanup_at = :now, cleanup_error = null
where job = :job and cleanup is not null and (cleanup_at is null or cleanup_at < :before or cleanup_error is not null)
returning job

-- name: fail_cleanup
update main.builds set cleanup_error = :error where job = :job

-- name: end_cleanup
update main.builds set cleanup = null, cleanup_error = null where job = :job

-- name: delete_of
delete from main.builds where job = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))

-- name: get_many
select job, recipe, config, dependency_builds, cleanup_error from main.builds where job = any(array(select value::bigint from json_array_elements_text(:jobs::json)))

-- name: latest
select job from main.builds
where definition = :definition and (select status = 6 and attempt > 0 from main.jobs where id = job)
order by job desc limit 1

-- name: report
-- What is reported of a build by hand is a sign of life of the one who holds it so.
update main.jobs set
    log_serial = log_serial + :lines,
    heartbeat = case when status in (4, 5) and worker is null and machine is null then :now::bigint else heartbeat end
where id = :id and definition is not null
returning log_serial, cursor

-- name: any_silent
select exists (
    select 1 from main.jobs
    where worker is null and machine is null and status in (4, 5) and heartbeat + (options::json ->> 'heartbeat_timeout')::float8 * 1000000 < :now::bigint)

-- name: silent
-- Builds that are held by hand, have a heartbeat timeout, and have not been heard of for so long.
select * from main.jobs
where worker is null and machine is null and status in (4, 5) and heartbeat + (options::json ->> 'heartbeat_timeout')::float8 * 1000000 < :now::bigint
order by id for no key update skip locked

-- name: needed_by
-- Unfinished jobs that depend on this one.
select c.id from main.dependencies d join main.jobs c on c.id = d.child
where d.parent = :job and c.status < 6 order by c.id limit 1

-- name: forget_latest
-- Of the definition whose latest successful build is about to be deleted, or to run again, the one before it becomes
-- that.
update main.definitions set (last_build, last_build_at) = (
    select job, (select ended_at from main.jobs where id = job) from main.builds
    where definition = :definition and job <> :job and (select status = 6 and attempt > 0 from main.jobs where id = job)
    order by job desc limit 1)
where name = :definition and last_build = :job

-- name: mark_pruned
update main.builds set log_pruned = 1 where job = any(array(select value::bigint from json_array_elements_text(:jobs::json)))
