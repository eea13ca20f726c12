-- name: put
insert into main.files (job, data, at) values (:job, :data, :now)
on conflict (job) do update set data = excluded.data, at = excluded.at

-- name: get
select data from main.files where job = :job

-- name: delete_of
delete from main.files where job = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))
