-- name: add
insert into requests (kind, job, epoch, worker, at) values (:kind, :job, :epoch, :worker, :at) returning id

-- name: open_for
select id, kind, job, epoch from requests where worker = :worker and answered_at is null

-- name: answer
update requests set answer = :answer, answered_at = :now where id = :id

-- name: get
select answer, answered_at from requests where id = :id

-- name: last_stack
select answer from requests where job = :job and kind = 'stack' and answer is not null order by id desc limit 1

-- name: add_answered
insert into requests (kind, job, epoch, worker, at, answer, answered_at)
values (:kind, :job, :epoch, :worker, :at, :answer, :at)

-- name: delete_of
delete from requests where job in (select value from json_each(:ids))

-- name: delete_old
delete from requests where id in (
    select id from (select id, at from requests order by id limit :limit) where at < :before)

-- name: count_old
select count(*) from requests where at < :before
