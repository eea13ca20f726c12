"""The states of jobs and ops: the one table of transitions, and what follows from it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobyard.errors import InvalidTransition
from jobyard.model.states import (
    CODES,
    FINAL,
    HELD,
    STATUSES,
    TRANSITIONS,
    UNFINISHED,
    Status,
    calc_priority,
    calc_status,
    check_transition,
    op_statuses,
)

GOLDEN_ORDER = ("queued", "waiting", "canceling", "running", "canceled", "succeeded", "failed")
GOLDEN = {
    "queued": ("queued", "waiting", "canceling", "running", "canceled", "queued", "failed"),
    "waiting": ("waiting", "waiting", "canceling", "running", "canceled", "waiting", "failed"),
    "canceling": ("canceling",) * 7,
    "running": ("running", "waiting", "canceling", "running", "canceled", "running", "failed"),
    "canceled": ("canceled",) * 7,
    "succeeded": ("queued", "waiting", "canceling", "running", "canceled", "succeeded", "failed"),
    "failed": ("failed",) * 7,
}
"""What Ganeti says of every pair of ops (row: the first op, column: the second), its words replaced by ours."""

PAIRS = [(first, second, row[i]) for first, row in GOLDEN.items() for i, second in enumerate(GOLDEN_ORDER)]

ALLOWED = {
    "scheduled": "queued waiting suspended canceled running",
    "queued": "running waiting suspended canceled",
    "waiting": "queued scheduled suspended canceled failed",
    "suspended": "queued scheduled waiting canceled running",
    "running": "succeeded failed skipped canceled canceling suspended scheduled queued",
    "canceling": "succeeded failed canceled",
    "succeeded": "queued scheduled waiting",
    "failed": "queued scheduled waiting",
    "skipped": "queued scheduled waiting",
    "canceled": "queued scheduled waiting",
}

statuses = st.sampled_from(Status)


class TestCalcStatus:
    def test_the_golden_matrix_is_whole(self):
        assert len(set(PAIRS)) == 49

    @pytest.mark.parametrize(("first", "second", "expected"), PAIRS)
    def test_two_ops_as_in_the_golden_matrix(self, first, second, expected):
        assert calc_status([Status(first), Status(second)]) is Status(expected)

    @pytest.mark.parametrize(
        ("ours", "theirs"), [("scheduled", "waiting"), ("suspended", "waiting"), ("skipped", "canceled")]
    )
    @pytest.mark.parametrize(("first", "second", "expected"), PAIRS)
    def test_our_three_rows_count_like_one_of_theirs(self, ours, theirs, first, second, expected):
        pair = [ours if status == theirs else status for status in (first, second)]

        assert calc_status(pair) == (ours if expected == theirs else expected)

    def test_no_op_at_all_is_succeeded(self):
        assert calc_status([]) is Status.SUCCEEDED

    @pytest.mark.parametrize("status", Status)
    def test_a_job_of_one_op_has_its_status(self, status):
        assert calc_status([status]) is status

    def test_the_last_of_running_and_waiting_wins(self):
        assert calc_status(["running", "waiting"]) == "waiting"
        assert calc_status(["waiting", "running"]) == "running"

    def test_the_canceling_op_hides_what_stands_behind_it(self):
        for behind in ("waiting", "running", "canceled", "failed"):
            assert calc_status(["canceling", behind]) == "canceling"

    def test_an_unknown_status_is_refused(self):
        with pytest.raises(ValueError, match="waitlock"):
            calc_status(["waitlock"])

    @given(st.lists(statuses), st.integers(0, 3), st.integers(0, 3))
    def test_a_succeeded_op_before_or_behind_changes_nothing(self, ops, before, behind):
        padded = ["succeeded"] * before + ops + ["succeeded"] * behind

        assert calc_status(padded) is calc_status(ops)

    @given(st.lists(statuses))
    def test_the_first_op_that_ends_the_walk_decides(self, ops):
        enders = [op for op in ops if op in {"canceling", "failed", "canceled", "skipped"}]

        if enders:
            assert calc_status(ops) is enders[0]
        else:
            assert calc_status(ops) in {Status.QUEUED, Status.SUCCEEDED, *ops}


class TestOpStatuses:
    @settings(deadline=None)
    @given(status=statuses, count=st.integers(1, 12), data=st.data())
    def test_the_ops_give_the_status_of_their_job_back(self, status, count, data):
        """The cursor stands at an op while there is one to run; behind the last it stands once all have succeeded."""
        cursor = count if status is Status.SUCCEEDED else data.draw(st.integers(0, count - 1))

        ops = op_statuses(status, cursor, count)

        assert len(ops) == count
        assert calc_status(ops) is status
        assert set(ops[:cursor]) <= {Status.SUCCEEDED}

    def test_ops_behind_the_cursor_wait_with_the_job(self):
        assert op_statuses(Status.RUNNING, 1, 4) == ["succeeded", "running", "queued", "queued"]

    @pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELED, Status.SKIPPED, Status.CANCELING])
    def test_ops_behind_the_end_share_it(self, status):
        assert op_statuses(status, 1, 3) == [Status.SUCCEEDED, status, status]


class TestTransitions:
    def test_the_table(self):
        assert {before: set(after.split()) for before, after in ALLOWED.items()} == TRANSITIONS

    @pytest.mark.parametrize(("before", "after"), list(product(Status, repeat=2)))
    def test_only_what_the_table_has_is_allowed(self, before, after):
        if after in ALLOWED[before].split():
            check_transition(before, after)
        else:
            with pytest.raises(InvalidTransition, match=rf"job 7 is {before} and cannot become {after}"):
                check_transition(before, after, what="job 7")

    def test_only_an_explicit_retry_leaves_a_final_status(self):
        for final in FINAL:
            assert TRANSITIONS[final] == {Status.QUEUED, Status.SCHEDULED, Status.WAITING}

    def test_every_status_can_be_reached_from_queued_and_can_end(self):
        def reachable(start):
            seen, todo = {start}, [start]
            while todo:
                new = TRANSITIONS[todo.pop()] - seen
                seen |= new
                todo += new
            return seen

        assert reachable(Status.QUEUED) == set(Status)
        assert all(reachable(status) & FINAL for status in UNFINISHED)

    def test_held_jobs_are_unfinished(self):
        assert HELD < UNFINISHED
        assert not FINAL & UNFINISHED

    def test_codes_are_pinned(self):
        """They lie in every database, so a status is only ever added at the end."""
        expected = ["scheduled", "queued", "waiting", "suspended", "running", "canceling"]
        expected += ["succeeded", "failed", "skipped", "canceled"]

        assert list(STATUSES) == expected
        assert {status: code for code, status in enumerate(expected)} == CODES


class TestCalcPriority:
    def test_the_most_urgent_unfinished_op_decides(self):
        ops = [(Status.SUCCEEDED, -20), (Status.RUNNING, 5), (Status.QUEUED, -3)]

        assert calc_priority(ops) == -3

    @pytest.mark.parametrize("ops", [[], [(Status.SUCCEEDED, -5)], [(status, -5) for status in FINAL]])
    def test_none_left_is_the_default(self, ops):
        assert calc_priority(ops) == 0

    @given(st.lists(st.tuples(statuses, st.integers(-20, 19)), min_size=1))
    def test_it_is_one_of_the_unfinished_and_none_is_more_urgent(self, ops):
        open_priorities = [priority for status, priority in ops if status in UNFINISHED]

        result = calc_priority(ops)

        assert all(result <= priority for priority in open_priorities)
        assert result in open_priorities or (result == 0 and not open_priorities)
