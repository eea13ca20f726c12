-- name: add
insert into main.builds (job, recipe, config, dependency_builds, cleanup)
values (:job, :recipe, :config, :dependency_builds, :cleanup)

-- name: get
select recipe, config, dependency_builds, cleanup, cleanup_at, cleanup_error from main.builds where job = :job

-- name: pin
update main.builds set dependency_builds = :dependency_builds where job = :job

-- name: to_clean_up
-- Of these jobs those that have a clean-up, with the task and the result to call it with.
select b.job, b.cleanup, b.cleanup_at, b.cleanup_error, j.task, j.result, j.status, j.epoch
from main.builds b join main.jobs j on j.id = b.job
where b.job = any(array(select id::bigint from json_array_elements_text(:jobs::json) as id))
    and b.cleanup is not null order by b.job

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
delete from main.builds where job = any(array(select value::bigint from json_array_elements_text(:ids::json)))
