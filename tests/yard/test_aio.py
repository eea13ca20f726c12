"""The same verbs, awaited."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from datetime import timedelta

import pytest

from jobyard import NO_CHANGE, AsyncJob, AsyncYard, BadArguments, InvalidTransition, Job, WaitTimeout, Worker, Yard
from jobyard.aio import AsyncDefinitions, AsyncMachines, AsyncQueues, AsyncWorker, AsyncWorkflow
from jobyard.definitions import Definitions
from jobyard.definitions.definition import Home
from jobyard.testing import run_now
from jobyard.workflow import Workflow
from jobyard.yard.machines import MachineList
from jobyard.yard.queues import QueueList


def verbs(cls):
    """The public methods of a class, without the async twins of others."""
    found = {name: value for name, value in vars(cls).items() if inspect.isfunction(value) and name[0] != "_"}
    return {
        name: value
        for name, value in found.items()
        if not (name == "await_" or (name[0] == "a" and inspect.iscoroutinefunction(value) and name[1:] in found))
    }


WITHOUT_TWINS = {
    *("at", "control", "enqueue_new", "link", "process_started", "process_stopped", "max_payload"),
    *("clock", "codec", "emitter", "store", "tasks"),
    *(verbs(Home).keys() - {"get"}),
}
"""What jobyard itself and tests use of a yard."""
FIXED = {"builds"}
"""An interface whose methods others have laid down, without an awaited form."""


def parameters(function):
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(
    ("sync", "awaited"),
    [
        (Yard, AsyncYard),
        (Job, AsyncJob),
        (QueueList, AsyncQueues),
        (Definitions, AsyncDefinitions),
        (MachineList, AsyncMachines),
        (Workflow, AsyncWorkflow),
    ],
    ids=["yard", "job", "queues", "definitions", "machines", "workflow"],
)
def test_both_have_the_same_verbs_with_the_same_parameters(sync, awaited):
    ours, theirs = verbs(sync), verbs(awaited)

    assert set(theirs) == set(ours) - WITHOUT_TWINS
    for name, function in theirs.items():
        assert parameters(function) == parameters(ours[name]), name


def test_both_yards_have_the_same_attributes(yard):
    def attributes(made):
        found = {name for name, value in vars(type(made)).items() if not inspect.isfunction(value)} | set(vars(made))
        return {name for name in found if name[0] != "_"}

    assert attributes(AsyncYard(yard)) - {"yard"} == attributes(yard) - WITHOUT_TWINS - FIXED


def test_both_jobs_have_the_same_attributes():
    attributes = {name for name, value in vars(Job).items() if isinstance(value, property) and name[0] != "_"}

    assert attributes - {"result"} | {"existing", "yard"} == set(AsyncJob.__annotations__)
    assert isinstance(AsyncJob.result, property)


def test_every_verb_of_a_job_has_a_twin_with_a_leading_a():
    twins = ["refresh", "cancel", "retry", "suspend", "resume", "run_now", "change_priority", "why", "stack"]

    for name in twins:
        assert parameters(getattr(Job, f"a{name}")) == parameters(getattr(Job, name))
    assert parameters(Job.await_) == parameters(Job.wait)


def test_a_worker_has_run_and_stop():
    assert {"run", "run_until_idle", "stop"} <= set(verbs(AsyncWorker)) & set(verbs(Worker))


@pytest.fixture
def ayard(yard):
    return AsyncYard(yard)


def test_a_job_from_enqueue_to_its_result(ayard, tasks):
    async def main():
        job = await ayard.enqueue(tasks.add.op(1), tasks.add.op(2), title="sums")
        assert isinstance(job, AsyncJob)
        assert (job.status, job.title, [op.task for op in job.ops]) == ("queued", "sums", ["add", "add"])
        summary = await ayard.worker().run_until_idle()
        return summary.succeeded, (await job.wait(10)).result

    assert asyncio.run(main()) == (1, 3)


def test_the_verbs_of_a_job(ayard, tasks):
    async def main():
        job = await ayard.enqueue(tasks.echo.op())
        assert (await job.suspend()).status == "suspended"
        assert [reason.kind for reason in await job.why()] == ["suspended"]
        assert (await job.resume()).status == "queued"
        assert await job.change_priority(3) == (True, "the priority of the pending ops of job 1 is now 3")
        assert (job.priority, await job.calc_priority(), await job.calc_status()) == (3, 3, "queued")
        assert (await job.run_now()).status == "queued"
        assert (await job.cancel())[0]
        assert (await job.retry()).status == "queued"
        assert await job.get_info(["id", "status"]) == [1, "queued"]
        assert await job.get_log_entries() == []
        await job.mark_unfinished_ops("canceled")
        await job.finalize()
        assert (await job.refresh()).status == "canceled"
        with pytest.raises(InvalidTransition):
            await job.stack()
        state = await job.serialize()
        return AsyncJob.restore(state, ayard) == job

    assert asyncio.run(main())


def test_the_verbs_of_a_yard(ayard, tasks, clock):
    async def main():
        jobs = await ayard.enqueue_many([tasks.echo.new(1), ayard.new(tasks.echo.op(2))])
        assert await ayard.job(1) == jobs[0]
        assert await ayard.jobs(order="id", limit=5) == jobs
        assert await ayard.count(by=()) == 2
        assert (await ayard.queue("default", priority=4)).priority == 4
        assert (await ayard.queues.pause("default")).paused
        assert (await ayard.queues.drain("default")).drained
        assert [queue.name for queue in await ayard.queues.list()] == ["default"]
        assert not (await ayard.queues.resume("default")).paused
        assert (await ayard.queues.get("default")).counts == {"queued": 2}
        assert [event.kind for event in await ayard.events(limit=1)] == ["resume"]
        await jobs[0].suspend()
        assert len(await ayard.events(job=jobs[0])) == 1
        assert (await ayard.prune(dry_run=True)).jobs == 0
        assert ayard.insert_statement(tasks.echo.new())[0]
        assert await ayard.upgrade() == []

    asyncio.run(main())


def test_coroutines_wait_without_holding_a_thread(ayard, tasks):
    """A hundred at once: more than there are threads to hop into."""

    async def main():
        jobs = await ayard.enqueue_many([tasks.add.new(n) for n in range(100)])
        waits = [asyncio.ensure_future(job.wait(20)) for job in jobs]
        await asyncio.sleep(0)
        threads = threading.active_count()
        await ayard.worker().run_until_idle()
        return [job.result for job in await asyncio.gather(*waits)], threads

    results, threads = asyncio.run(main())

    assert results == list(range(1, 101))
    assert threads < 60


def test_await_job_is_wait(ayard, yard, tasks):
    async def main():
        job = await ayard.enqueue(tasks.echo.op(1))
        plain = await tasks.echo.aenqueue(2)
        await ayard.worker().run_until_idle()
        return (await job).result, (await plain).result, (await AsyncJob(plain)).result

    assert asyncio.run(main()) == (1, 2, 2)


def test_a_canceled_wait_leaves_nothing_behind(ayard, tasks):
    async def main():
        job = await ayard.enqueue(tasks.echo.op())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job.wait(), 0.1)

    began = time.monotonic()
    asyncio.run(main())  # which waits for the threads of the loop

    assert time.monotonic() - began < 5


def test_timeouts(ayard, tasks):
    async def main():
        job = await ayard.enqueue(tasks.echo.op())
        with pytest.raises(WaitTimeout):
            await job.wait(0.05)
        with pytest.raises(WaitTimeout):
            await ayard.wait([job], timeout=0.05)
        with pytest.raises(WaitTimeout):
            async for _ in ayard.as_completed([job], timeout=0.05):
                pass
        assert await ayard.wait_for_change(job.id, ["status"], ["queued"], timeout=0.05) is NO_CHANGE
        assert (await ayard.wait_for_change(job.id, ["status"])).fields == ["queued"]

    asyncio.run(main())


def test_as_completed_and_wait(ayard, tasks):
    async def main():
        jobs = await ayard.enqueue_many([tasks.echo.new(n) for n in range(3)])
        await ayard.worker().run_until_idle()
        ended = [job.result async for job in ayard.as_completed(jobs, timeout=10)]
        return ended, [job.result for job in await ayard.wait(jobs, timeout=10)]

    assert asyncio.run(main()) == ([0, 1, 2], [0, 1, 2])


def test_a_canceled_worker_stops(ayard, tasks):
    async def main():
        worker = ayard.worker()
        running = asyncio.ensure_future(worker.run())
        job = await ayard.enqueue(tasks.echo.op(1))
        await job.wait(10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return worker.worker.stopping

    assert asyncio.run(main())


def test_its_jobs_stand_for_their_results_and_are_waited_for(ayard, yard, tasks):
    async def main():
        first = await ayard.enqueue(tasks.add.op(1))
        return await ayard.enqueue(tasks.add.op([first][0]), after=[first], due=timedelta(0))

    job = asyncio.run(main())
    assert job.status == "waiting"
    run_now(yard)

    assert yard.job(job.id).result == 3


def test_of_an_url(url):
    async def main():
        async with AsyncYard(url, user="eve") as yard:
            task = yard.task(name="t")(lambda: None)
            job = await yard.enqueue(task.op())
            await job.cancel()
            assert (yard.url, yard.settings.user, repr(yard)[:11]) == (url, "eve", "<AsyncYard ")
            assert repr(job) == f"<AsyncJob {job.id} canceled t>"
            return [event.user for event in await yard.events()]

    assert asyncio.run(main()) == ["eve"]


def test_a_yard_has_its_settings_already(yard):
    with pytest.raises(TypeError, match="user="):
        AsyncYard(yard, user="eve")


def test_what_a_job_does_not_have_is_an_attribute_error(ayard, tasks):
    job = AsyncJob(tasks.echo.enqueue())

    with pytest.raises(AttributeError, match="colour"):
        _ = job.colour
    with pytest.raises(BadArguments):
        asyncio.run(AsyncJob(Job("default", 1, [tasks.echo.op()])).wait())


def test_equal_jobs_are_equal_in_both_faces(ayard, yard, tasks):
    job = tasks.echo.enqueue()

    assert AsyncJob(job) == AsyncJob(yard.job(job.id)) == job
    assert hash(AsyncJob(job)) == hash(job)
