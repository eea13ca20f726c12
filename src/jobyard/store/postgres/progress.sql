-- name: put
insert into main.progress (job, path, current, total, status, at, position)
values (
    :job, :path, :current, :total, :status, :at, (select count(*) from main.progress as known where known.job = :job))
on conflict (job, path) do update set
    current = excluded.current, total = excluded.total, status = excluded.status, at = excluded.at
where progress.at <= excluded.at

-- name: of
select path, current, total, status from main.progress where job = :job order by path

-- name: in_order
-- As they were first reported.
select path, current, total, status from main.progress where job = :job order by position, path

-- name: delete_of
delete from main.progress where job = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))
