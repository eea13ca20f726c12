"""Machines, definitions and tasks for the tests of the workflow."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.soundness import sound  # noqa: F401 - autouse
from tests.workflow.definitions import define

from jobyard import Job, Yard
from jobyard.yard.machines import Machine


@pytest.fixture
def tasks(yard: Yard) -> SimpleNamespace:
    """Tasks of jobs without a definition."""

    @yard.task(name="echo")
    def echo(value=None):
        return value

    @yard.task(name="fail")
    def fail():
        raise ValueError

    return SimpleNamespace(echo=echo, fail=fail)


@pytest.fixture
def machine(yard: Yard) -> Machine:
    return yard.machines.online("m1")


@pytest.fixture
def pending(yard: Yard, machine: Machine) -> Job:
    """The first job of a definition that runs every six hours."""
    return yard.workflow.new_job(define(yard))


@pytest.fixture
def running(yard: Yard, pending: Job) -> Job:
    """The same, started on m1."""
    return yard.workflow.start_job(pending, "m1")
