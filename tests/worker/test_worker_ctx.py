"""What running jobs say and do through `ctx`, as the store has it afterwards."""

import asyncio
import logging
import threading
import time

import pytest
from tests.support import eventually
from tests.worker.serving import serving

from jobyard import Retry, ctx
from jobyard.errors import QueueClosed, StaleRun
from jobyard.model.events import StaleWrite


def run(yard, **options):
    return yard.worker(**{"concurrency": 4, **options}).run_until_idle()


def test_log_lines_are_stored_with_serials_levels_and_tracebacks(yard):
    log = logging.getLogger("shop.images")

    @yard.task
    def work() -> None:
        log.info("begun with %d", 3)
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            log.exception("went wrong")
        logging.getLogger("jobyard.worker").warning("the library's own")

    job = work.enqueue()
    run(yard)
    entries = job.refresh().get_log_entries()

    assert [(e.serial, e.op, e.level, e.logger, e.message) for e in entries] == [
        (1, 0, logging.INFO, "shop.images", "begun with 3"),
        (2, 0, logging.ERROR, "shop.images", "went wrong"),
    ]
    assert "ZeroDivisionError" in entries[1].traceback
    assert entries[0].at.tzinfo is not None
    assert (job.log_serial, job.get_log_entries(newer_than=1)) == (2, entries[1:])


def test_other_handlers_get_what_they_always_got(yard, caplog):
    @yard.task
    def work() -> None:
        logging.getLogger("app").info("for the log of the job")
        logging.getLogger("app").warning("for all")

    before = logging.getLogger().level
    job = work.enqueue()
    run(yard)

    assert [e.message for e in job.get_log_entries()] == ["for the log of the job", "for all"]
    assert [r.message for r in caplog.records if r.name == "app"] == ["for all"]
    assert logging.getLogger().level == before


def test_the_log_goes_on_over_attempts_and_ops(yard):
    @yard.task(retry=Retry(2, delay=0))
    def work(word: str) -> None:
        logging.getLogger("app").warning("%s in attempt %d", word, ctx.attempt)
        if word == "b" and ctx.attempt == 1:
            raise ValueError

    job = yard.enqueue(work.op("a"), work.op("b"))
    run(yard)

    assert [(e.serial, e.op, e.message) for e in job.refresh().get_log_entries()] == [
        (1, 0, "a in attempt 1"),
        (2, 1, "b in attempt 1"),
        (3, 1, "b in attempt 2"),
    ]
    assert [e.message for e in job.ops[0].log] == ["a in attempt 1"]


def test_jobs_side_by_side_keep_their_lines_apart(yard):
    barrier = threading.Barrier(3, timeout=10)

    @yard.task
    def work(n: int) -> None:
        for _ in range(5):
            barrier.wait()
            logging.getLogger("app").info("line of %d", n)

    @yard.task
    async def awork(n: int) -> None:
        for _ in range(5):
            await asyncio.sleep(0.001)
            logging.getLogger("app").info("line of %d", n)

    jobs = [work.enqueue(n) for n in range(3)] + [awork.enqueue(n) for n in range(3, 6)]
    run(yard, concurrency=6)

    for n, job in enumerate(jobs):
        assert [e.message for e in job.get_log_entries()] == [f"line of {n}"] * 5


def test_lines_are_readable_while_the_job_runs(yard):
    go = threading.Event()

    @yard.task
    def work() -> None:
        logging.getLogger("app").info("half way")
        ctx.progress(1, 2)
        ctx.heartbeat("so far so good")
        go.wait(10)

    with serving(yard):
        job = work.enqueue()
        eventually(job.get_log_entries)
        eventually(lambda: job.refresh().logtail == "so far so good")
        assert job.status == "running"
        assert job.progress[0].current == 1
        go.set()
        job.wait(10)


def test_prints_are_log_lines_where_the_task_says_so(yard, capsys):
    @yard.task(log_prints=True)
    def loud() -> None:
        print("hello")

    @yard.task
    def quiet() -> None:
        print("not stored")

    a, b = loud.enqueue(), quiet.enqueue()
    run(yard)

    assert [e.message for e in a.get_log_entries()] == ["hello"]
    assert b.get_log_entries() == []
    assert "not stored" in capsys.readouterr().out


def test_a_long_log_keeps_head_and_tail(make_yard):
    yard = make_yard(max_log=[20, "1M"])

    @yard.task
    def talk() -> None:
        for n in range(500):
            logging.getLogger("app").info("line %d", n)

    job = talk.enqueue()
    run(yard)
    messages = [e.message for e in job.get_log_entries()]

    assert (messages[0], messages[-1]) == ("line 0", "line 499")
    assert len(messages) < 60


def test_progress_is_stored_by_group(yard):
    @yard.task
    def work() -> None:
        for _ in ctx.track(range(3), group=("read", "a")):
            pass
        ctx.progress(5, 10, group="read::b", status="slowly")
        ctx.progress(7, 10, group=["write"])

    job = work.enqueue()
    run(yard)

    assert {p.group: (p.current, p.total, p.status) for p in job.refresh().progress} == {
        ("read", "a"): (3, 3, ""),
        ("read", "b"): (5, 10, "slowly"),
        ("write",): (7, 10, ""),
    }


def test_ctx_enqueue_stores_a_job_at_once(yard):
    @yard.task
    def child(n: int) -> int:
        return n

    @yard.task
    def parent() -> int:
        return ctx.enqueue(child.op(5), queue="later", tags=["x"]).id

    @yard.task
    async def aparent() -> int:
        return (await ctx.aenqueue(child.op(6))).id

    jobs = [parent.enqueue(), aparent.enqueue()]
    run(yard)
    children = [yard.job(job.refresh().result) for job in jobs]

    assert [(c.result, c.queue) for c in children] == [(5, "later"), (6, "default")]
    assert children[0].tags == ("x",)
    assert children[0].options.parent in (jobs[0].id, None)


def test_ctx_enqueue_is_refused_by_a_drained_queue(yard):
    yard.queues.drain("closed")

    @yard.task
    def parent() -> str:
        try:
            ctx.enqueue(parent.op(), queue="closed")
        except QueueClosed as error:
            return str(error)
        return "stored"

    job = parent.enqueue()
    run(yard)

    assert "closed" in job.refresh().result


def test_what_a_run_enqueues_after_its_job_was_taken_is_refused(yard):
    """The fence: the job was ended by somebody else meanwhile."""
    began, go, said, children = threading.Event(), threading.Event(), [], []

    @yard.task
    def child() -> None: ...

    @yard.task
    def parent() -> None:
        began.set()
        while not (said or children):
            try:
                go.wait(10)
                children.append(ctx.enqueue(child.op()))
            except StaleRun as error:
                said.append(str(error))
            except BaseException:  # its run is stopped as well
                continue

    with serving(yard):
        job = parent.enqueue()
        assert began.wait(10)
        job.mark_unfinished_ops("canceled")
        go.set()
        eventually(lambda: said or children)
    assert (children, len(said)) == ([], 1)
    assert "no longer held" in said[0]
    assert job.refresh().status == "canceled"


def test_late_words_of_a_lost_run_are_dropped_and_counted(yard):
    began, go = threading.Event(), threading.Event()
    dropped = []
    yard.emitter.on(StaleWrite, dropped.append)

    @yard.task
    def work() -> int:
        began.set()
        while not go.is_set():
            try:
                go.wait(10)
            except BaseException:
                continue
        logging.getLogger("app").info("too late")
        return 1

    with serving(yard):
        job = work.enqueue()
        assert began.wait(10)
        job.mark_unfinished_ops("failed")
        eventually(lambda: dropped)
        go.set()
        eventually(lambda: any(h.what == "result" for h in dropped) or len(dropped) > 1, timeout=5)
    assert job.refresh().status == "failed"
    assert job.get_log_entries() == []


def test_finish_ends_the_job_with_the_users_transaction(yard, connection):
    seen = []

    @yard.task
    def work(word: str) -> str:
        connection.execute(f"insert into work values ('{word}')")
        ctx.finish("finished", connection=connection)
        seen.append(yard.job(ctx.job.id).status)
        connection.commit()
        return "returned"

    @yard.task
    def after(word: str) -> str:
        return word

    job = work.enqueue("done")
    dependant = after.enqueue(job)
    summary = run(yard)

    assert (job.refresh().status, job.result, dependant.refresh().result) == ("succeeded", "finished", "finished")
    assert (summary.succeeded, summary.left, seen) == (2, 0, ["running"])
    assert connection.execute("select word from work").fetchall() == [("done",)]


def test_after_a_rollback_the_ordinary_outcome_counts(yard, connection):

    @yard.task
    def work(how: str) -> str:
        connection.execute("insert into work values ('undone')")
        ctx.finish("finished", connection=connection)
        connection.rollback()
        if how == "raise":
            raise ValueError(how)
        return "returned"

    returned, raised = work.enqueue("return"), work.enqueue("raise")
    summary = run(yard, concurrency=1)

    assert (returned.refresh().result, raised.refresh().status) == ("returned", "failed")
    assert (summary.succeeded, summary.failed) == (1, 1)
    assert connection.execute("select * from work").fetchall() == []


def test_what_is_raised_after_a_committed_finish_changes_nothing(yard, connection):

    @yard.task
    def work() -> str:
        ctx.finish("finished", connection=connection)
        connection.commit()
        raise ValueError("too late")

    job = work.enqueue()
    summary = run(yard)

    assert (job.refresh().status, job.result, job.error) == ("succeeded", "finished", None)
    assert (summary.succeeded, summary.failed) == (1, 0)


def test_ctx_enqueue_on_the_users_connection(yard, connection):

    @yard.task
    def child() -> int:
        return 7

    @yard.task
    def parent(commit: bool) -> None:
        ctx.enqueue(child.op(), connection=connection)
        connection.commit() if commit else connection.rollback()

    parent.enqueue(True)
    parent.enqueue(False)
    run(yard, concurrency=1)

    assert [job.result for job in yard.jobs(task=child.name)] == [7]


def test_outcomes_of_ack_sync_are_stored_before_the_slot_is_free(make_yard):
    """Whenever one of its runs begins, all that ended before in that slot is stored."""
    yard = make_yard()
    ended, unstored = [], []

    def work(n: int) -> int:
        statuses = {job.id: job.status for job in yard.jobs(limit=None)}
        unstored.extend(id for id in ended if statuses[id] != "succeeded")
        ended.append(ctx.job.id)
        return n

    sync = yard.task(work, ack="sync", name="sync")
    yard.enqueue_many([sync.new(n) for n in range(30)])
    assert run(yard, concurrency=1).succeeded == 30
    assert unstored == []

    batch = yard.task(work, name="sync")
    yard.enqueue_many([batch.new(n) for n in range(300)])
    assert run(yard, concurrency=1).succeeded == 300
    assert unstored != [], "else the test cannot fail"


@pytest.mark.parametrize("concurrency", [1, 3])
def test_ack_sync_of_coroutines_beside_others(yard, concurrency):
    @yard.task(ack="sync")
    async def sync(n: int) -> int:
        await asyncio.sleep(0)
        return n

    @yard.task
    def usual(n: int) -> int:
        time.sleep(0.0001)
        return n

    yard.enqueue_many([task.new(n) for n in range(100) for task in (sync, usual)])

    assert run(yard, concurrency=concurrency).succeeded == 200
