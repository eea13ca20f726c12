"""`ctx`, and what a task says: progress, heartbeat, log lines, prints."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextvars import copy_context
from typing import Any

import msgspec
import pytest
from tests.support import eventually
from tests.worker.support import hosting, link, row, run, run_ops, task

from jobyard import errors
from jobyard.context import Finish, Link, Parent, ctx
from jobyard.model.messages import Beat, Ended, Enqueue, Lines, Outcome, Reply
from jobyard.model.newjob import NewJob
from jobyard.worker.shop import HostOptions

log = logging.getLogger("shop")
log.setLevel(logging.INFO)  # pytest has handlers of its own at the root, so the host leaves its level alone


@pytest.mark.parametrize("name", ["job", "op", "attempt", "canceling", "result_status"])
def test_outside_of_a_job_ctx_is_a_usage_error(name: str):
    with pytest.raises(errors.UsageError, match="inside a running job"):
        getattr(ctx, name)
    assert repr(ctx) == "<ctx>"


def test_ctx_names_the_job_the_op_and_the_attempt():
    class Job:
        def __init__(self, row: Any, ops: Any) -> None:
            self.id = row.id
            self.ops = [op.task for op in ops]

    def look() -> tuple[int, str, int]:
        return ctx.job.id, ctx.op, ctx.attempt

    def again() -> tuple[int, str, int]:
        assert ctx.job is ctx.job
        return look()

    with hosting(look, again, lent=link(make_job=Job)) as (host, ear):
        host.run([run_ops(("look", "[]"), ("again", "[]"), id=9)])

        assert [o.result for o in ear.outcomes(2)] == ['[9,"look",1]', '[9,"again",1]']


def test_ctx_works_in_threads_that_have_a_copy_of_the_context():
    def work() -> list[int]:
        found: list[int] = []
        context = copy_context()
        thread = threading.Thread(target=context.run, args=(lambda: found.append(ctx.attempt),))
        thread.start()
        thread.join()
        return found

    async def awork() -> list[int]:
        return [await asyncio.to_thread(lambda: ctx.attempt)]

    with hosting(work, awork) as (host, ear):
        host.run([run("work", id=1, attempt=3), run("awork", id=2, attempt=4)])

        assert (ear.outcome(1).result, ear.outcome(2).result) == ("[3]", "[4]")


def test_progress_is_written_while_the_job_runs_and_at_its_end():
    release = threading.Event()

    def work() -> None:
        for count in range(1_000):
            ctx.progress(count, 1_000, "reading::pages", "on it")
        release.wait(10)
        ctx.progress(5, None, ["reading", "pages"])

    with hosting(work) as (host, ear):
        host.run([run("work")])
        eventually(lambda: ear.of(Lines))
        release.set()
        outcome = ear.outcome()

    (written,) = ear.of(Lines)
    assert [(p.group, p.current, p.total, p.status) for p in written.progress] == [
        (["reading", "pages"], 999, 1_000, "on it")
    ]
    assert [(p.group, p.current, p.total) for p in outcome.progress] == [(["reading", "pages"], 5, None)]


def test_progress_is_written_at_most_five_times_a_second():
    def work() -> None:
        until = time.monotonic() + 0.9
        while time.monotonic() < until:
            ctx.progress(1)
            log.info("tick")
            time.sleep(0.001)

    with hosting(work) as (host, ear):
        host.run([run("work")])
        ear.outcome()

    assert 2 <= len(ear.of(Lines)) <= 5


def test_track_reports_each_item_that_was_used_up():
    def work() -> int:
        return sum(ctx.track([1, 2, 3], group=("sum",)))

    with hosting(work) as (host, ear):
        host.run([run("work")])
        outcome = ear.outcome()

    assert outcome.result == "6"
    assert [(p.group, p.current, p.total) for p in outcome.progress] == [(["sum"], 3, 3)]


def test_heartbeats_travel_at_once_and_the_last_with_the_outcome():
    release = threading.Event()

    def work() -> None:
        ctx.heartbeat("first\nlines")
        release.wait(10)
        ctx.heartbeat("last lines\0")

    with hosting(work) as (host, ear):
        host.run([run("work")])
        eventually(lambda: ear.of(Beat))
        release.set()

        assert ear.outcome().logtail == "last lines\\x00"
    assert [beat.logtail for beat in ear.of(Beat)] == ["first\nlines"]


def test_a_result_status_goes_with_the_outcome():
    def work() -> None:
        ctx.result_status = "success_partial"

    with hosting(work) as (host, ear):
        host.run([run("work")])

        assert ear.outcome().result_status == "success_partial"


@pytest.mark.parametrize("status", ["nope", "reclaimed", "SUCCESS", 5, ["success"]])
def test_a_result_status_that_is_none_is_refused_where_it_is_set(status):
    def work() -> None:
        ctx.result_status = status

    with hosting(work) as (host, ear):
        host.run([run("work")])
        outcome = ear.outcome()

    assert (outcome.ended, outcome.result_status) == (Ended.RAISED, None)
    assert f"ctx.result_status={status!r}: " in outcome.error


def test_finish_takes_no_result_status_of_a_failure():
    def work() -> None:
        ctx.result_status = "failure"
        ctx.finish(connection=object())

    with hosting(work) as (host, ear):
        host.run([run("work")])

        assert "ctx.result_status is failure: raise instead" in ear.outcome().error


def _answering(host: Any, ear: Any, reply: Any) -> Enqueue:
    eventually(lambda: ear.of(Enqueue))
    (asked,) = ear.of(Enqueue)
    host.tell([reply(asked)])
    return asked


def _stores() -> Link:
    return link(
        new_job=lambda ops, options: NewJob([], "default", requester=f"{ops} {options}"),
        stored=lambda row, existing: {"id": row.id, "existing": existing},
    )


def _enqueue() -> dict[str, Any]:
    return ctx.enqueue("op", priority=3)


async def _aenqueue() -> dict[str, Any]:
    return await ctx.aenqueue("op", priority=3)


async def _enqueue_in_coroutine() -> dict[str, Any]:
    return ctx.enqueue("op", priority=3)


@pytest.mark.parametrize("function", [_enqueue, _aenqueue, _enqueue_in_coroutine])
def test_enqueue_asks_the_claimer_and_returns_the_job(function: Any):
    with hosting(function, lent=_stores()) as (host, ear):
        host.run([run(function.__name__, id=5, epoch=2)])
        asked = _answering(host, ear, lambda asked: Reply(asked.call, [row(id=77)], [True]))

        assert ear.outcome(5).result == '{"id":77,"existing":true}'
    assert (asked.id, asked.epoch) == (5, 2)
    assert msgspec.msgpack.decode(asked.jobs, type=list[NewJob])[0].requester == "('op',) {'priority': 3}"


@pytest.mark.parametrize("function", [_enqueue, _aenqueue])
@pytest.mark.parametrize("name", ["StaleRun", "QueueClosed"])
def test_a_refused_enqueue_raises_the_error_of_the_store(function: Any, name: str):
    with hosting(function, lent=_stores()) as (host, ear):
        host.run([run(function.__name__)])
        _answering(host, ear, lambda asked: Reply(asked.call, [], [], (name, "refused")))

        assert ear.outcome().types[0] == f"jobyard.errors:{name}"


def test_enqueue_on_the_callers_connection_is_done_here():
    def enqueue(connection: Any, ops: Any, options: Any, parent: Parent) -> list[Any]:
        return [connection, *ops, options, parent.id, parent.epoch]

    def work() -> list[Any]:
        return ctx.enqueue("op", connection="mine", title="x")

    with hosting(work, lent=link(enqueue=enqueue)) as (host, ear):
        host.run([run("work", id=4, epoch=8)])

        assert ear.outcome(4).result == '["mine","op",{"title":"x"},4,8]'


def test_finish_ends_the_op_on_the_callers_connection():
    finished: list[tuple[Any, Finish]] = []

    async def afinish(connection: Any, finish: Finish) -> None:
        finished.append((connection, finish))

    def work() -> int:
        ctx.finish(41, connection="mine")
        return 42

    async def awork() -> dict[str, int]:
        await ctx.afinish({"b": 1}, connection="ours")
        raise ValueError

    lent = link(finish=lambda *given: finished.append(given), afinish=afinish)
    with hosting(work, awork, lent=lent) as (host, ear):
        host.run([run_ops(("work", "[]"), ("awork", "[]"), id=1), run("awork", id=2)])
        first, second = ear.outcome(1), ear.outcome(2)

    # Whether the first was committed only the claimer sees, so the op behind it is the claimer's to hand out.
    assert (first.finished_by_user, first.ended, first.op, first.more) == (True, Ended.RETURNED, 0, False)
    assert (second.finished_by_user, second.ended) == (True, Ended.RAISED)
    assert {(connection, f.row.id, f.op, f.result, f.last) for connection, f in finished} == {
        ("mine", 1, 0, "41", False),
        ("ours", 2, 0, '{"b":1}', True),
    }


def test_a_refused_finish_leaves_the_ordinary_outcome():
    def refuse(*_: Any) -> None:
        raise errors.StaleRun

    def work() -> None:
        ctx.finish(connection="mine")

    with hosting(work, lent=link(finish=refuse)) as (host, ear):
        host.run([run("work")])
        outcome = ear.outcome()

    assert (outcome.finished_by_user, outcome.types[0]) == (False, "jobyard.errors:StaleRun")


def test_log_records_become_lines_of_their_job():
    def work(password: str) -> None:
        log.info("count %d for %s", 3, {"password": password})
        try:
            raise ValueError("torn\0")
        except ValueError:
            log.exception("it failed")
        logging.getLogger("jobyard.worker").warning("our own")
        logging.getLogger("jobyards").warning("not ours")
        log.debug("too quiet")

    with hosting(work) as (host, ear):
        log.warning("outside of every job")
        host.run([run("work", args='[["hush"]]')])
        ear.outcome()

    count, failed, other = ear.lines()
    data = msgspec.json.decode(count.data)
    assert (count.logger, count.level, count.op) == ("shop", logging.INFO, 0)
    assert (data["template"], data["args"]) == ("count %d for %s", ["3", "{'password': ***}"])
    assert (data["function"], data["module"], data["path"]) == ("work", "test_context", __file__)
    assert failed.message == "it failed"
    assert failed.traceback.endswith(r"ValueError: torn\x00")
    assert other.logger == "jobyards"


def test_lines_are_written_while_the_job_runs():
    release = threading.Event()

    def work() -> None:
        log.info("first")
        release.wait(10)
        log.info("last")

    with hosting(work) as (host, ear):
        host.run([run("work")])
        eventually(lambda: ear.of(Lines))
        release.set()
        outcome = ear.outcome()

    assert [line.message for line in ear.of(Lines)[0].lines] == ["first"]
    assert [line.message for line in outcome.lines] == ["last"]


def test_lines_of_concurrent_jobs_are_told_apart():
    def work(name: str) -> None:
        for _ in range(50):
            log.info(name)

    async def awork(name: str) -> None:
        for _ in range(50):
            log.info(name)
            await asyncio.sleep(0)

    with hosting(work, awork) as (host, ear):
        host.run([run("awork" if id % 2 else "work", id=id, args=f'[["{id}"]]') for id in range(1, 9)])
        ear.outcomes(8)

    for id in range(1, 9):
        assert [line.message for line in ear.lines(id)] == [str(id)] * 50


def test_a_record_that_cannot_be_formatted_is_stored_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of pytest raise

    def work() -> str:
        log.info("%d", "no number")
        return "done"

    with hosting(work) as (host, ear):
        host.run([run("work")])

        outcome = ear.outcome()
    assert (outcome.result, [line.message for line in outcome.lines]) == ('"done"', ["%d"])


@pytest.mark.parametrize("options", [HostOptions(max_lines=10), HostOptions(max_bytes=10 * (100 + 300))])
def test_of_too_many_lines_head_and_tail_are_kept(options: HostOptions):
    def work() -> None:
        for number in range(1_000):
            log.info("%03d", number)

    with hosting(work, options=options) as (host, ear):
        host.run([run("work")])
        outcome = ear.outcome()

    numbers = [int(line.message) for line in ear.lines()]
    kept = len(numbers)
    assert 6 <= kept <= 16
    assert numbers[0] == 0
    assert numbers[-1] == 999
    assert numbers == sorted(numbers)
    assert outcome.dropped == 1_000 - kept


def test_prints_are_stored_for_tasks_that_ask_for_it(capsys: pytest.CaptureFixture[str]):
    def loud() -> None:
        print("a", 1)
        print("b\nc", end="")

    def quiet() -> None:
        print("to the terminal")

    with hosting(task(loud, log_prints=True), quiet) as (host, ear):
        host.run([run("loud", id=1), run("quiet", id=2)])
        ear.outcomes(2)
        print("outside")

    assert [(line.logger, line.message) for line in ear.lines(1)] == [("print", "a 1"), ("print", "b"), ("print", "c")]
    assert ear.lines(2) == []
    assert capsys.readouterr().out == "to the terminal\noutside\n"


def test_an_unconfigured_logging_is_captured_from_info_on_and_restored():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    try:
        with hosting(lambda: None) as (host, _):
            assert root.level == logging.INFO
        assert host.done.wait(10)
        assert (root.level, root.handlers) == (logging.WARNING, [])
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def test_ctx_of_a_job_shows_it():
    def work() -> str:
        return repr(ctx)

    with hosting(work, lent=link(make_job=lambda *_: "Job 1")) as (host, ear):
        host.run([run("work")])

        assert ear.outcome().result == "\"<ctx of 'Job 1'>\""
        assert ear.of(Outcome, 1)
