"""Machines: their states, reasons and events, and what workers on them do."""

from __future__ import annotations

import threading

import pytest
from tests.support import eventually
from tests.worker.serving import serving

from jobyard import BadArguments, PreconditionFailed, UnknownMachine
from jobyard.testing import run_now


def kinds(yard, **filter):
    return [event.kind for event in reversed(yard.events(**filter))]


def machine_of(yard):
    """The machine of the workers of this test."""
    run_now(yard)
    [machine] = yard.machines.list()
    return machine.name


def test_a_machine_that_nobody_knew_is_made_online(yard):
    machine = yard.machines.online("m1", user="bob", message="new rack")

    [event] = machine.events
    assert (machine.state, machine.reason, machine.heartbeat, machine.jobs) == ("online", None, None, [])
    assert (event.kind, event.user, event.machine, event.data) == ("online", "bob", "m1", {"message": "new rack"})


def test_a_machine_goes_off_and_comes_back(yard):
    yard.machines.online("m1")

    off = yard.machines.offline("m1", reason="watchdog", message="smoke")
    on = yard.machines.online("m1", user="bob")

    assert (off.state, off.reason) == ("offline", "watchdog")
    assert (on.state, on.reason) == ("online", None)
    said = [(event.kind, event.user, dict(event.data)) for event in on.events]
    assert said == [
        ("online", "bob", {}),
        ("offline", "ann", {"reason": "watchdog", "message": "smoke"}),
        ("online", "ann", {}),
    ]


def test_machines_are_listed_by_name(yard):
    for name in ("b", "c", "a"):
        yard.machines.online(name)

    assert [machine.name for machine in yard.machines.list()] == ["a", "b", "c"]


ALLOWED = {("online", "quiescing"), ("online", "offline"), ("quiescing", "offline"), ("quiescing", "online")} | {
    ("offline", "online")
}


def bring(yard, state):
    act = {"online": yard.machines.online, "quiescing": yard.machines.quiesce, "offline": yard.machines.offline}[state]
    return act("m1")


@pytest.mark.parametrize("after", ["online", "quiescing", "offline"])
@pytest.mark.parametrize("before", ["online", "quiescing", "offline"])
def test_every_other_change_is_refused_and_writes_nothing(yard, before, after):
    yard.machines.online("m1")
    if before != "online":
        bring(yard, before)
    written = len(yard.events())

    if (before, after) in ALLOWED:
        assert bring(yard, after).state == after
        assert len(yard.events()) == written + 1
    else:
        with pytest.raises(PreconditionFailed, match=f"machine m1 is {before} and cannot become {after}"):
            bring(yard, after)
        assert len(yard.events()) == written
        assert yard.machines.get("m1").state == before


def test_a_machine_that_nobody_knows_is_an_error(yard):
    for act in (yard.machines.get, yard.machines.offline, yard.machines.quiesce):
        with pytest.raises(UnknownMachine, match="'m9'"):
            act("m9")


def test_a_reason_of_no_kind_is_refused(yard):
    yard.machines.online("m1")

    with pytest.raises(BadArguments, match="stopped, quiesced, watchdog"):
        yard.machines.offline("m1", reason="bored")
    assert yard.machines.get("m1").state == "online"


@pytest.mark.parametrize("name", ["", "a\0b", "a\nb", "x" * 101, None, 3])
def test_a_machine_needs_a_name(yard, name):
    with pytest.raises(BadArguments, match="name="):
        yard.machines.online(name)


def test_a_worker_registers_its_machine(yard, clock):
    name = machine_of(yard)
    clock.advance(60)
    machine_of(yard)

    machine = yard.machines.get(name)
    assert (machine.state, machine.heartbeat) == ("online", clock.now())
    assert kinds(yard, machine=name) == ["online"]


def test_a_machine_names_the_jobs_of_its_workers(yard, tasks):
    name = machine_of(yard)
    seen = []

    @yard.task(name="look")
    def look():
        seen.extend(job.id for job in yard.machines.get(name).jobs)

    job = look.enqueue()
    run_now(yard)

    assert seen == [job.id]
    assert yard.machines.get(name).jobs == []


def test_a_worker_claims_nothing_while_its_machine_is_off(yard, tasks):
    name = machine_of(yard)
    yard.machines.offline(name)
    job = tasks.echo.enqueue(1)

    assert run_now(yard).left == 1
    assert job.refresh().status == "queued"

    yard.machines.online(name)
    assert run_now(yard).succeeded == 1


def test_a_worker_takes_up_its_work_when_its_machine_comes_back(yard, tasks):
    name = machine_of(yard)
    yard.machines.offline(name)
    with serving(yard):
        job = tasks.echo.enqueue(1)
        [reason] = eventually(job.why)
        assert reason.kind == "no_worker"

        yard.machines.online(name)

        assert job.wait(10).result == 1


def test_a_quiescing_machine_ends_its_jobs_and_goes_offline(yard, tasks):
    name = machine_of(yard)

    @yard.task(name="quiesce")
    def quiesce():
        return yard.machines.quiesce(name, "bob").state.value

    first, second = quiesce.enqueue(), tasks.echo.enqueue()

    run_now(yard)

    machine = yard.machines.get(name)
    assert (first.refresh().result, second.refresh().status) == ("quiescing", "queued")
    assert (machine.state, machine.reason) == ("offline", "quiesced")
    assert kinds(yard, machine=name) == ["online", "quiesce", "offline"]


def test_a_quiescing_machine_goes_offline_with_a_worker_that_is_stopped(yard):
    name = machine_of(yard)
    inside, gate = threading.Event(), threading.Event()

    @yard.task(name="slow")
    def slow():
        inside.set()
        gate.wait(20)

    with serving(yard) as served:
        job = slow.enqueue()
        assert inside.wait(20)
        yard.machines.quiesce(name)
        served.worker.stop()
        gate.set()
        served.join()

    assert (job.refresh().status, yard.machines.get(name).state) == ("succeeded", "offline")


def test_an_idle_machine_goes_offline_at_once_when_it_is_quiesced(yard):
    name = machine_of(yard)
    with serving(yard):
        yard.machines.quiesce(name)

        eventually(lambda: yard.machines.get(name).state == "offline")
