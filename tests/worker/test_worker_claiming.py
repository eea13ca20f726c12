"""Which jobs a worker takes, when, and how it ends."""

import asyncio
import signal
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from tests.support import eventually
from tests.worker.serving import heard, serving

from jobyard import ctx
from jobyard.errors import StoreUnavailable, UsageError
from jobyard.model.events import JobPoisoned, JobReclaimed, JobsClaimed, JobStarted, StoreRetry, WorkerStarted
from jobyard.store.driver import Heed
from jobyard.worker import stop
from jobyard.worker.inbox import Inbox


def run(yard, **options):
    return yard.worker(**{"concurrency": 4, **options}).run_until_idle()


@pytest.fixture
def noted(yard):
    """A task that notes the order in which it was run."""
    words = []

    @yard.task
    def note(word: str) -> None:
        words.append(word)

    note.words = words
    return note


def test_a_worker_serves_the_queues_it_is_given(yard, noted):
    for queue in ("a", "b", "c"):
        noted.using(queue=queue).enqueue(queue)
    summary = run(yard, queues=["a", "c"], concurrency=1)

    assert (sorted(noted.words), summary.left) == (["a", "c"], 1)
    assert run(yard).succeeded == 1


def test_one_queue_may_be_given_by_its_name(yard, noted):
    noted.using(queue="images").enqueue("x")
    assert run(yard, queues="images").succeeded == 1


def test_the_claim_order_holds_across_queues(yard, noted):
    noted.using(queue="a", priority=5).enqueue("a5")
    noted.using(queue="b", priority=-5).enqueue("b-5")
    noted.using(queue="a").enqueue("a0")
    noted.using(queue="b").enqueue("b0")
    noted.using(queue="a", priority=-5).enqueue("a-5")
    run(yard, concurrency=1)

    assert noted.words == ["b-5", "a-5", "a0", "b0", "a5"]


def test_a_job_run_now_goes_ahead_of_others_of_its_priority(yard, noted, clock):
    noted.enqueue("usual")
    later = noted.using(due=timedelta(hours=1)).enqueue("requested")
    noted.using(priority=-1).enqueue("urgent")
    later.run_now()
    run(yard, concurrency=1)

    assert noted.words == ["urgent", "requested", "usual"]


def test_a_paused_queue_is_passed_over_and_why_says_so(yard, noted):
    yard.queues.pause("a")
    held = noted.using(queue="a").enqueue("held")
    noted.using(queue="b").enqueue("free")

    assert run(yard).left == 1
    assert (noted.words, held.why()[0].kind) == (["free"], "paused")
    yard.queues.resume("a")
    assert run(yard).succeeded == 1


def test_what_a_worker_makes_ready_and_cannot_take_wakes_another(make_yard):
    yard, other = (make_yard(clock=None, poll=60) for _ in range(2))
    both, go = threading.Barrier(2), threading.Event()

    def meet() -> None:
        both.wait(10)

    @yard.task
    def first() -> None:
        go.wait(10)
        time.sleep(0.1)  # so slow that nothing is claimed ahead

    meeting = yard.task(name="meet")(meet)
    other.task(name="meet")(meet)
    with serving(yard, concurrency=1), serving(other, concurrency=1):
        job = first.enqueue()
        meetings = [meeting.using(after=[job]).enqueue() for _ in range(2)]
        eventually(lambda: job.refresh().status == "running")
        eventually(lambda: all_asleep(yard))
        go.set()
        for each in meetings:
            each.wait(20)

    assert [each.status for each in meetings] == ["succeeded"] * 2


def test_what_a_worker_makes_ready_and_takes_itself_wakes_nobody(yard, noted, monkeypatch):
    told = []
    notify = yard.store.driver.notify

    def listened(*, everywhere, **options):
        told.append(everywhere)
        notify(everywhere=everywhere, **options)

    first = noted.enqueue("first")
    noted.using(after=[noted.using(after=[first]).enqueue("second")]).enqueue("third")
    monkeypatch.setattr(yard.store.driver, "notify", listened)

    assert (run(yard).succeeded, noted.words) == (3, ["first", "second", "third"])
    assert told.count(False) >= 3
    assert True not in told


def all_asleep(yard):
    """Whether both workers wait to be told, as far as the store knows: the busy one of requests, the other of jobs."""
    if yard.url.startswith("sqlite:"):
        return True
    with yard.store.read() as tx:
        return {heed for (heed,) in tx.fetch("select heed from main.idle")} == {Heed.JOBS.value, Heed.REQUESTS.value}


def test_resuming_a_queue_wakes_a_worker(yard, noted):
    yard.queues.pause("default")
    with serving(yard):
        job = noted.enqueue("x")
        yard.queues.resume("default")
        job.wait(10)


def test_a_job_is_taken_when_it_is_due(yard, noted, clock):
    with serving(yard):
        job = noted.using(due=timedelta(hours=1)).enqueue("x")
        clock.advance(3599)
        assert job.refresh().status == "scheduled"
        clock.advance(1)
        job.wait(10)


def test_a_job_that_comes_due_while_another_runs_is_taken(make_yard):
    """On real time: the worker holds a job and has a free slot."""
    yard = make_yard(clock=None)
    go = threading.Event()

    @yard.task
    def slow() -> None:
        go.wait(10)

    @yard.task
    def quick() -> None: ...

    with serving(yard, concurrency=2):
        slow.enqueue()
        quick.using(due=timedelta(seconds=0.2)).enqueue().wait(5)
        go.set()


def test_an_unknown_task_stays_queued_and_why_says_so(make_yard):
    knows, other = make_yard(), make_yard()

    @knows.task(name="special")
    def special() -> int:
        return 1

    @other.task
    def usual() -> None: ...

    job = special.enqueue()
    usual_job = usual.enqueue()
    with serving(other):
        usual_job.wait(10)
        [reason] = job.why()
        assert reason.kind == "unknown_task"
        assert "special" in reason.text
        assert "default" in reason.text
    assert (job.refresh().status, job.attempt) == ("queued", 0)
    assert job.why()[0].kind == "no_worker"
    assert run(knows).succeeded == 1


def test_unknown_tasks_never_hide_known_ones(make_yard):
    """However many are ahead."""
    knows, other = make_yard(), make_yard()

    @knows.task(name="special")
    def special() -> None: ...

    @other.task
    def usual() -> None: ...

    knows.enqueue_many([special.new() for _ in range(50)])
    usual.using(priority=19).enqueue()

    assert run(other).succeeded == 1


def test_what_has_expired_is_canceled_unbegun(yard, noted, clock):
    job = noted.using(expires=60).enqueue("late")
    clock.advance(61)
    summary = run(yard)

    assert (noted.words, job.refresh().status, summary.canceled) == ([], "canceled", 1)


def test_unique_for_start_lets_go_when_a_worker_takes_it(yard):
    began, go = threading.Event(), threading.Event()

    @yard.task(unique="k")
    def rebuild() -> None:
        began.set()
        go.wait(10)

    with serving(yard):
        first = rebuild.using(unique_for="start").enqueue()
        assert began.wait(10)
        second = rebuild.using(unique_for="start").enqueue()
        assert (second.existing, second == first) == (False, False)
        go.set()
        first.wait(10)
        second.wait(10)


def test_unique_until_the_finish(yard):
    began, go = threading.Event(), threading.Event()

    @yard.task(unique="k")
    def rebuild() -> None:
        began.set()
        go.wait(10)

    with serving(yard):
        first = rebuild.enqueue()
        assert began.wait(10)
        assert rebuild.enqueue() == first
        go.set()
        first.wait(10)
        eventually(lambda: rebuild.enqueue() != first)


def test_run_until_idle_works_in_any_thread(yard, noted):
    noted.enqueue("x")
    found = []
    thread = threading.Thread(target=lambda: found.append(run(yard)))
    thread.start()
    thread.join(20)

    assert found[0].succeeded == 1


def test_run_until_idle_waits_for_what_running_jobs_enqueue(yard):
    done = []

    @yard.task
    def count_down(n: int) -> None:
        done.append(n)
        if n:
            ctx.enqueue(count_down.op(n - 1))

    count_down.enqueue(5)

    assert run(yard).succeeded == 6
    assert done == [5, 4, 3, 2, 1, 0]


def test_run_until_idle_runs_what_waits_for_the_failure_of_one_that_never_ran(yard):
    ran = []

    @yard.task
    def fail() -> None:
        raise ValueError

    @yard.task
    def note(word: str) -> None:
        ran.append(word)

    broken = note.using(after=[fail.enqueue()]).enqueue("never")
    last = note.using(after={broken: {"failed"}}).enqueue("last")
    yard.worker().run_until_idle()

    assert (broken.refresh().status, last.refresh().status, ran) == ("failed", "succeeded", ["last"])


def test_run_until_idle_leaves_what_is_not_ready(yard, noted):
    noted.using(due=timedelta(hours=1)).enqueue("later")
    noted.enqueue("aside").suspend()
    parent = noted.using(due=timedelta(hours=1)).enqueue("parent")
    noted.using(after=[parent]).enqueue("child")

    assert run(yard).left == 4
    assert noted.words == []


def test_no_more_than_concurrency_run_at_a_time(yard):
    lock, running, most = threading.Lock(), [], []

    @yard.task
    def work() -> None:
        with lock:
            running.append(1)
            most.append(len(running))
        time.sleep(0.01)
        with lock:
            running.pop()

    yard.enqueue_many([work.new() for _ in range(30)])
    run(yard, concurrency=3)

    assert max(most) <= 3
    assert max(most) > 1


def test_no_job_waits_behind_a_slow_one_while_another_worker_is_idle(make_yard):
    """The first worker has learned that the task is short, and claims ahead; then some of the jobs are slow."""
    yard = make_yard(clock=None)
    stuck, go, ran_by = threading.Event(), threading.Event(), {}

    @yard.task
    def work(n: int) -> None:
        ran_by[n] = threading.current_thread().name
        if n == 500:
            stuck.set()
            go.wait(20)

    with serving(yard, concurrency=1, name="first"):
        yard.enqueue_many([work.new(n) for n in range(1000)])
        assert stuck.wait(20)
        with serving(yard, concurrency=1, name="second"):
            left = [job for job in yard.jobs(limit=None) if job.ops[0].args[0] > 500]
            yard.wait(left, timeout=20)
            assert not go.is_set()
        go.set()
        eventually(lambda: yard.count(by=("status",)) == {("succeeded",): 1000})
    assert len(ran_by) == 1000
    assert all(job.attempt == 1 for job in yard.jobs(limit=None))


def test_many_short_jobs_are_claimed_in_batches(yard):
    @yard.task
    def noop() -> None: ...

    claims = heard(yard, JobsClaimed)
    yard.enqueue_many([noop.new() for _ in range(2000)])
    run(yard)

    assert sum(claim.count for claim in claims) == 2000
    assert max(claim.count for claim in claims) > 100


def test_the_ends_of_short_jobs_are_not_written_with_that_of_a_long_one(yard, noted, monkeypatch):
    """Those that began together are waited for, but not what began before them."""
    awaited = []
    gather = Inbox.gather

    def heard(self, most, timeout):
        awaited.append(most)
        gather(self, most, timeout)

    monkeypatch.setattr(Inbox, "gather", heard)
    gate, inside = threading.Event(), threading.Event()

    @yard.task
    def hold() -> None:
        inside.set()
        assert gate.wait(20)

    with serving(yard, concurrency=3):
        held = hold.enqueue()
        assert inside.wait(20)
        for _ in range(5):
            for job in yard.enqueue_many([noted.new("a"), noted.new("b")]):
                job.wait(20)
        gate.set()
        held.wait(20)

    assert max(awaited) <= 2


def test_a_slow_task_is_not_claimed_ahead(yard):
    @yard.task
    def slow() -> None:
        time.sleep(0.06)

    claims = heard(yard, JobsClaimed)
    yard.enqueue_many([slow.new() for _ in range(12)])
    run(yard, concurrency=2)

    assert max(claim.count for claim in claims) <= 2


def test_stop_lets_jobs_come_to_their_end(yard):
    began, go = threading.Event(), threading.Event()

    @yard.task
    def work() -> int:
        began.set()
        go.wait(10)
        return 1

    with serving(yard, concurrency=1) as server:
        running = work.enqueue()
        assert began.wait(10)
        waiting = [work.enqueue() for _ in range(3)]
        server.worker.stop()
        go.set()
        assert server.join() == 0
    assert running.refresh().result == 1
    assert [(job.refresh().status, job.attempt) for job in waiting] == [("queued", 0)] * 3


def test_a_second_stop_requeues_what_runs(yard):
    began = threading.Event()

    @yard.task
    def endless() -> None:
        began.set()
        while True:
            time.sleep(0.005)

    with serving(yard) as server:
        job = endless.enqueue()
        assert began.wait(10)
        assert server.stop(times=2) == 1
    assert (job.refresh().status, job.attempt, job.worker) == ("queued", 0, None)


def test_after_the_grace_jobs_are_canceled_and_requeued(make_yard):
    yard = make_yard(shutdown_grace=0.1, cancel_grace=0.1)
    began = threading.Event()

    @yard.task
    async def endless() -> None:
        began.set()
        await asyncio.sleep(60)

    with serving(yard) as server:
        job = endless.enqueue()
        assert began.wait(10)
        assert server.stop() == 1
    assert (job.refresh().status, job.attempt) == ("queued", 0)


def test_a_job_may_stop_its_own_worker(yard):
    @yard.task
    def last() -> None:
        stop[0]()

    stop = []
    with serving(yard) as server:
        stop.append(server.worker.stop)
        job = last.enqueue()
        eventually(lambda: server.code is not None)
    assert (server.code, job.refresh().status) == (0, "succeeded")


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"processes": -1}, {"concurrency": True}])
def test_impossible_workers_are_refused(yard, options):
    with pytest.raises(UsageError, match=next(iter(options))):
        yard.worker(**options)


def test_the_worker_says_what_it_is(yard):
    started = heard(yard, WorkerStarted)
    begun = heard(yard, JobStarted)

    @yard.task
    def noop() -> None: ...

    job = noop.enqueue()
    worker = yard.worker(name="ann's")
    worker.run_until_idle()

    assert started == [WorkerStarted("ann's", yard.store.location, None, 10, 1)]
    assert begun[0].worker == "ann's"
    assert job.refresh().worker == "ann's"
    assert repr(worker) == "<Worker ann's>"


def test_a_worker_that_was_declared_lost_claims_nothing_before_it_has_started_anew(yard):
    """It has not noticed yet: what the dead incarnation claimed would be nobody's."""

    @yard.task
    def noop() -> None: ...

    with serving(yard) as server:
        noop.enqueue().wait(10)
        with yard.store.transaction() as tx:
            [worker] = yard.store.workers.alive(tx)
            yard.store.workers.end(tx, worker.id, "lost", yard.store.now())
        jobs = [noop.enqueue() for _ in range(20)]
        yard.wait(jobs, timeout=10)
        with yard.store.read() as tx:
            rows = yard.store.jobs.get_many(tx, [job.id for job in jobs])
        assert worker.id not in {row.worker for row in rows.values()}
        eventually(lambda: server.worker.running == 0)


def test_a_task_registered_later_is_served_too(yard):
    with serving(yard):

        @yard.task
        def late() -> int:
            return 1

        assert late.enqueue().wait(10).result == 1


def test_suspects_are_claimed_for_free_slots_only(yard):
    """Each of them may be what killed its worker: none is claimed ahead, and none waits in line."""
    in_slot, most = [], []

    @yard.task
    def work() -> None:
        in_slot.append(1)
        most.append(yard.count(by=("status",))[("running",)])
        in_slot.pop()

    jobs = yard.enqueue_many([work.new() for _ in range(40)])
    take_from_a_lost_worker(yard, work.name)
    most.clear()
    assert run(yard, concurrency=2).succeeded == 40

    assert max(most) <= 2
    assert {job.refresh().attempt for job in jobs} == {2}


def take_from_a_lost_worker(yard, task):
    """All that is queued was held by a worker that was lost."""
    store = yard.store
    facts = {"name": "lost", "machine": "m", "pid": 1, "queues": None, "tasks": [task], "concurrency": 1}
    now = store.now()
    with store.transaction() as tx:
        id = store.workers.add(tx, **facts, processes=1, now=now)
        assert store.jobs.ask_claim(tx, ["default"], tasks=f'["{task}"]', worker=id, limit=1000, now=now)()
        found = store.reclaimer.reclaim(tx, before=now + 1, max_crashes=3, spare=0, now=now)
    assert [worker.id for worker in found.workers] == [id]


def test_signal_handlers_are_restored(yard, noted):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    noted.enqueue("x")
    run(yard)

    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize(("max_crashes", "kind"), [(2, JobReclaimed), (1, JobPoisoned)])
def test_the_jobs_of_a_silent_worker_are_taken_back_by_another(make_yard, clock, max_crashes, kind):
    """The clock is moved; whoever lives beats before anybody judges."""
    yard = make_yard(lost_after=30, max_crashes=max_crashes)

    @yard.task
    def work() -> int:
        return 1

    job = work.enqueue()
    store = yard.store
    with store.transaction() as tx:
        facts = {"machine": "m", "pid": 1, "queues": None, "tasks": [], "concurrency": 1, "processes": 1}
        id = store.workers.add(tx, name="silent", now=store.now(), **facts)
        store.jobs.ask_claim(tx, ["default"], tasks=f'["{work.name}"]', worker=id, limit=1, now=store.now())()
    happened, started = heard(yard, kind), heard(yard, WorkerStarted)
    with serving(yard), serving(yard):
        eventually(lambda: len(started) == 2)  # before, a worker does not hear of the clock
        clock.advance(29)
        assert job.refresh().status == "running"
        clock.advance(2)
        job.wait(10)
    assert (job.status, job.attempt) == (("succeeded", 2) if kind is JobReclaimed else ("failed", 1))
    assert [(h.job, h.crashes) for h in happened] == [(job.id, 1)]
    assert "silent" in str(happened[0])
    with store.read() as tx:
        assert [w.state for w in store.workers.all(tx)] == ["lost", "stopped", "stopped"]


def test_a_store_that_takes_its_time_has_no_jobs_go_back(make_yard, monkeypatch):
    """On real time: what counts is how long a run has waited for a slot, not for the commit of its claim."""
    yard = make_yard(clock=None)
    claimed = heard(yard, JobsClaimed)
    transaction = yard.store.transaction

    @yard.task
    def quick() -> None:
        time.sleep(0.0005)

    @contextmanager
    def slow(**options):
        with transaction(**options) as tx:
            yield tx
            time.sleep(0.15)

    yard.enqueue_many([quick.new() for _ in range(100)])
    monkeypatch.setattr(yard.store, "transaction", slow)
    run(yard, concurrency=1)

    assert max(len(claim.jobs) for claim in claimed) > 10, "some were claimed ahead"
    assert sum(len(claim.jobs) for claim in claimed) < 150, "few or none were claimed twice"


def test_only_what_runs_have_reported_waits_for_the_disk(yard, noted, monkeypatch):
    """A claim alone does not: from enqueue to start there is one such wait, that of the enqueue."""
    turns = []
    transaction = yard.store.transaction

    def watched(**options):
        turns.append((options.get("durable"), len(noted.words)))
        return transaction(**options)

    noted.enqueue("x")
    monkeypatch.setattr(yard.store, "transaction", watched)
    run(yard)

    assert (False, 0) in turns, "it was claimed without a wait"
    assert (True, 1) in turns, "its result was written with one"


def test_what_was_reported_while_the_store_was_away_is_written_in_the_end(make_yard, monkeypatch):
    monkeypatch.setattr(stop, "_GIVE_UP", 0.3)
    yard = make_yard(clock=None, shutdown_grace=0, cancel_grace=0)
    retries = heard(yard, StoreRetry)
    began, go, transaction = threading.Event(), threading.Event(), yard.store.transaction

    @yard.task
    def work() -> int:
        began.set()
        go.wait(10)
        return 1

    job = work.enqueue()
    with serving(yard) as server:
        assert began.wait(10)

        def away(**options):
            if not server.worker._stop.is_over:
                msg = "away"
                raise StoreUnavailable(msg)
            return transaction(**options)

        monkeypatch.setattr(yard.store, "transaction", away)
        go.set()
        eventually(lambda: retries)
        assert server.stop() == 0
    assert (job.refresh().status, job.result) == ("succeeded", 1)
