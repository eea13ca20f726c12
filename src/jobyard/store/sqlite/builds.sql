-- name: add
insert into builds (job, recipe, config, dependency_builds, cleanup)
values (:job, :recipe, :config, :dependency_builds, :cleanup)

-- name: get
select recipe, config, dependency_builds, cleanup, cleanup_at, cleanup_error from builds where job = :job

-- name: pin
update builds set dependency_builds = :dependency_builds where job = :job

-- name: to_clean_up
-- Of these jobs those that have a clean-up, with the task and the result to call it with.
select b.job, b.cleanup, b.cleanup_at, b.cleanup_error, j.task, j.result, j.status, j.epoch
from builds b join jobs j on j.id = b.job
where b.job in (select value from json_each(:jobs)) and b.cleanup is not null order by b.job

-- name: begin_cleanup
-- No row comes back where another has begun it after this instant, and not failed.
update builds set cleanup_at = :now, cleanup_error = null
where job = :job and cleanup is not null and (cleanup_at is null or cleanup_at < :before or cleanup_error is not null)
returning job

-- name: fail_cleanup
update builds set cleanup_error = :error where job = :job

-- name: end_cleanup
update builds set cleanup = null, cleanup_error = null where job = :job

-- name: delete_of
delete from builds where job in (select value from json_each(:ids))
