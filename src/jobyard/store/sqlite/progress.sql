-- name: put
insert into progress (job, path, current, total, status, at)
values (:job, :path, :current, :total, :status, :at)
on conflict (job, path) do update set
    current = excluded.current, total = excluded.total, status = excluded.status, at = excluded.at
where progress.at <= excluded.at

-- name: of
select path, current, total, status from progress where job = :job order by path

-- name: delete_of
delete from progress where job in (select value from json_each(:ids))
