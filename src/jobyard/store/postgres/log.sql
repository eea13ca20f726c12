-- name: add
insert into main.log (job, serial, op, at, level, logger, message, traceback, data)
select * from unnest(
    :job::bigint[], :serial::bigint[], :op::integer[], :at::bigint[], :level::integer[], :logger::text[],
    :message::text[], :traceback::text[], :data::text[])

-- name: newer_than
select job, serial, op, at, level, logger, message, traceback, data, id from main.log
where job = :job and serial > :serial order by serial limit :limit

-- name: delete_of
delete from main.log where job = any(array(select value::bigint from json_array_elements_text(:ids::text::json)))

-- name: stretch
-- The next stretch of the table by id, which is the order of time: what is old enough for its level goes, the rest is
-- stepped over, and the caller goes on behind it.
select max(id), min(at) from (select id, at from main.log where id > :after order by id limit :limit) as stretch

-- name: count_old
select count(*) from main.log where id > :after and id <= :upto and (
    (level <= 10 and at < :debug) or (level > 10 and level <= 20 and at < :info)
    or (level > 20 and level <= 30 and at < :warning) or (level > 30 and at < :error))

-- name: delete_old
delete from main.log where id > :after and id <= :upto and (
    (level <= 10 and at < :debug) or (level > 10 and level <= 20 and at < :info)
    or (level > 20 and level <= 30 and at < :warning) or (level > 30 and at < :error))
