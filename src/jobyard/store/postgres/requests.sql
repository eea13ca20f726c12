-- name: add
insert into main.requests (kind, job, epoch, worker, at) values (:kind, :job, :epoch, :worker, :at) returning id

-- name: open_for
select id, kind, job, epoch from main.requests where worker = :worker and answered_at is null

-- name: answer
update main.requests set answer = :answer, answered_at = :now where id = :id

-- name: get
select answer, answered_at from main.requests where id = :id

-- name: last_stack
select answer from main.requests where job = :job and kind = 'stack' and answer is not null order by id desc limit 1

-- name: add_answered
insert into main.requests (kind, job, epoch, worker, at, answer, answered_at)
values (:kind, :job, :epoch, :worker, :at, :answer, :at)

-- name: delete_of
delete from main.requests where job = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))

-- name: delete_old
delete from main.requests where id in (
    select id from (select id, at from main.requests order by id limit :limit) as first where at < :before)

-- name: count_old
select count(*) from main.requests where at < :before
