-- name: list
select name, paused, drained, priority, retry, timeout, aging from main.queues order by name

-- name: get
select name, paused, drained, priority, retry, timeout, aging from main.queues where name = :name

-- name: put
insert into main.queues (name, paused, drained, priority, retry, timeout, aging)
values (:name, :paused, :drained, :priority, :retry, :timeout, :aging)
on conflict (name) do update set
    paused = excluded.paused, drained = excluded.drained, priority = excluded.priority, retry = excluded.retry,
    timeout = excluded.timeout, aging = excluded.aging
