-- name: add
insert into log (job, serial, op, at, level, logger, message, traceback, data)
values (:job, :serial, :op, :at, :level, :logger, :message, :traceback, :data)

-- name: newer_than
select job, serial, op, at, level, logger, message, traceback, data, id from log
where job = :job and serial > :serial order by serial limit :limit

-- name: delete_of
delete from log where job in (select value from json_each(:ids))

-- name: stretch
-- The next stretch of the table by id, which is the order of time: what is old enough for its level goes, the rest is
-- stepped over, and the caller goes on behind it.
select max(id), min(at) from (select id, at from log where id > :after order by id limit :limit)

-- name: count_old
select count(*) from log where id > :after and id <= :upto and (
    (level <= 10 and at < :debug) or (level > 10 and level <= 20 and at < :info)
    or (level > 20 and level <= 30 and at < :warning) or (level > 30 and at < :error))

-- name: delete_old
delete from log where id > :after and id <= :upto and (
    (level <= 10 and at < :debug) or (level > 10 and level <= 20 and at < :info)
    or (level > 20 and level <= 30 and at < :warning) or (level > 30 and at < :error))
