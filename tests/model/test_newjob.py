"""A job before it is stored."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.model.newjob import SUCCESS, JobOptions, NewJob, NewOp, accepted_bits, accepted_statuses
from jobyard.model.references import Ref
from jobyard.model.retry import Retry
from jobyard.model.states import FINAL, UNFINISHED


@given(st.sets(st.sampled_from(sorted(FINAL)), min_size=1))
def test_accepted_statuses_come_back_from_their_bits(statuses):
    assert accepted_statuses(accepted_bits(statuses)) == statuses


def test_success_is_succeeded_or_skipped():
    assert accepted_statuses(SUCCESS) == {"succeeded", "skipped"}


@pytest.mark.parametrize("status", sorted(UNFINISHED))
def test_only_final_statuses_can_be_accepted(status):
    with pytest.raises(ValueError, match=f"{status} is not a final status"):
        accepted_bits({"succeeded", status})


def test_an_unknown_status_is_refused():
    with pytest.raises(ValueError, match="won"):
        accepted_bits({"won"})


def test_accepting_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        accepted_bits(set())


def test_bits_are_pinned():
    """They lie in every database."""
    assert {status: accepted_bits({status}) for status in FINAL} == {
        "succeeded": 1 << 6,
        "failed": 1 << 7,
        "skipped": 1 << 8,
        "canceled": 1 << 9,
    }


def test_options_that_were_not_said_take_no_room():
    assert msgspec.json.encode(JobOptions()) == b"{}"
    assert msgspec.json.encode(JobOptions(title="Nightly")) == b'{"title":"Nightly"}'


def test_a_new_job_travels_whole():
    job = NewJob(
        ops=[NewOp("shop:pack", "[[1]]", [Ref([0, "weight"], job=-1)], priority=-5), NewOp("shop:send", "[]")],
        queue="parcels",
        priority=3,
        delay=1_000_000,
        after=[(-1, SUCCESS), (7, accepted_bits({"failed"}))],
        unique="parcel-1",
        unique_for=60.0,
        token="order-1",
        options=JobOptions(title="Parcel 1", tags=("a", "b"), retry=Retry(3, on=[OSError])),
    )

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(job), type=NewJob) == job
