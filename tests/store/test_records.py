"""The log and progress of runs, requests to workers, and events."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.store.acts import SECOND, act, add_worker, claim, end, new, put, row

from jobyard.model.instants import to_micros
from jobyard.model.messages import LogLine, ProgressReport
from jobyard.store.events import EventFilter


def line(message="m", *, op=0, level=20, at=1, **more):
    return LogLine(op, at, level, "logger", message, **more)


@pytest.fixture
def claimed(store):
    put(store)
    return claim(store, worker=7)[0]


def write(store, run, *lines, progress=()):
    with store.transaction() as tx:
        return store.records.write(tx, run.id, run.epoch, lines, progress, store.now())


def log(store, id, **options):
    with store.read() as tx:
        return [(entry.serial, entry.message) for entry in store.records.log(tx, id, **options)]


def progress(store, id):
    with store.read() as tx:
        return store.records.progress(tx, id)


class TestLog:
    def test_lines_are_numbered_through_the_job(self, store, claimed):
        assert write(store, claimed, line("a"), line("b"))
        assert write(store, claimed, line("c"))

        assert log(store, claimed.id) == [(1, "a"), (2, "b"), (3, "c")]
        assert row(store, claimed.id).log_serial == 3

    def test_each_job_has_serials_of_its_own(self, store, claimed):
        put(store)
        [other] = claim(store)
        for run in (claimed, other):
            write(store, run, line())

        assert log(store, claimed.id) == log(store, other.id) == [(1, "m")]

    def test_a_line_comes_back_as_it_was_written(self, store, claimed):
        data = '{"path": "x", "n": [1]}'
        write(store, claimed, line("ü", op=2, level=35, at=1_500_000, traceback='{"t": 1}', data=data))
        write(store, claimed, line())

        with store.read() as tx:
            full, bare = store.records.log(tx, claimed.id)
        assert (full.serial, full.op, to_micros(full.at), full.level, full.logger) == (1, 2, 1_500_000, 35, "logger")
        assert (full.message, full.traceback, full.data) == ("ü", '{"t": 1}', {"path": "x", "n": [1]})
        assert (bare.traceback, bare.data) == (None, None)

    def test_newer_than_and_limit_cut_it(self, store, claimed):
        write(store, claimed, *[line(str(n)) for n in range(1, 6)])

        assert log(store, claimed.id, newer_than=3) == [(4, "4"), (5, "5")]
        assert log(store, claimed.id, limit=2) == [(1, "1"), (2, "2")]

    def test_a_stale_run_writes_nothing(self, store, claimed):
        end(store, claimed, "drained")
        [current] = claim(store)

        assert not write(store, claimed, line(), progress=[ProgressReport(["g"], 1, None, "")])

        assert (log(store, claimed.id), progress(store, claimed.id)) == ([], [])
        assert row(store, claimed.id) == current

    @pytest.mark.parametrize("how", ["returned", "raised", "canceled"])
    def test_after_the_end_nothing_is_written(self, store, claimed, how):
        end(store, claimed, how)

        assert not write(store, claimed, line())
        assert log(store, claimed.id) == []

    def test_a_canceling_job_still_writes(self, store, claimed):
        act(store, "cancel", claimed.id)

        assert write(store, claimed, line())


class TestProgress:
    def test_a_group_shows_its_newest_figures(self, store, claimed, clock):
        below = ProgressReport(["a", "b"], 2, None, "")
        write(store, claimed, progress=[ProgressReport(["a"], 1, 10, "one"), below])
        clock.advance(1)
        write(store, claimed, progress=[ProgressReport(["a"], 0.5, 20, "less")])

        assert progress(store, claimed.id) == [ProgressReport(["a"], 0.5, 20, "less"), below]

    def test_a_late_report_never_overwrites_a_newer(self, store, claimed):
        for at, current in ((5, 50), (4, 40)):
            with store.transaction() as tx:
                report = ProgressReport(["a"], current, None, "")
                store.records.write(tx, claimed.id, claimed.epoch, [], [report], at)

        assert progress(store, claimed.id) == [ProgressReport(["a"], 50, None, "")]


class TestBeat:
    def test_it_renews_heartbeat_and_tail(self, store, claimed, clock):
        clock.advance(3)
        with store.transaction() as tx:
            assert store.jobs.beat(tx, claimed.id, claimed.epoch, "tail", store.now())
            assert store.jobs.beat(tx, claimed.id, claimed.epoch, None, store.now())

        assert (row(store, claimed.id).heartbeat, row(store, claimed.id).logtail) == (store.now(), "tail")

    def test_a_stale_one_is_refused(self, store, claimed):
        end(store, claimed)
        before = row(store, claimed.id)

        with store.transaction() as tx:
            assert not store.jobs.beat(tx, claimed.id, claimed.epoch, "tail", store.now())

        assert row(store, claimed.id) == before


class TestRequests:
    def test_it_is_open_for_its_worker_until_answered(self, store, claimed, clock):
        with store.transaction() as tx:
            id = store.requests.ask(tx, "stack", claimed, store.now())
            assert store.requests.answered(tx, id) == (None, None)
            assert store.requests.ask_open_for(tx, 8)() == []
            assert store.requests.ask_open_for(tx, 7)() == [(id, "stack", claimed.id, claimed.epoch)]
        clock.advance(1)

        with store.transaction() as tx:
            store.requests.answer(tx, id, "the stack", store.now())

        with store.read() as tx:
            assert store.requests.ask_open_for(tx, 7)() == []
            assert store.requests.answered(tx, id) == ("the stack", store.now())
            assert store.requests.last_stack(tx, claimed.id) == "the stack"

    def test_the_newest_stack_is_kept(self, store, claimed):
        with store.transaction() as tx:
            assert store.requests.last_stack(tx, claimed.id) is None
            store.requests.keep_stack(tx, claimed, "old", store.now())
            store.requests.keep_stack(tx, claimed, "new", store.now())
            store.requests.ask(tx, "stack", claimed, store.now())

        with store.read() as tx:
            assert store.requests.last_stack(tx, claimed.id) == "new"

    def test_an_unknown_request_has_no_answer(self, store):
        with store.read() as tx:
            assert store.requests.answered(tx, 77) == (None, None)


class TestEvents:
    def add(self, store, kind, **values):
        with store.transaction() as tx:
            store.events.add(tx, kind, store.now(), **values)

    def find(self, store, **conditions):
        with store.read() as tx:
            return store.events.find(tx, EventFilter(**conditions))

    def test_an_event_comes_back_as_it_was_written(self, store, clock):
        self.add(store, "change", user="ann", job=3, definition="d", machine="m", data={"old": 1, "new": [2]})
        self.add(store, "bare")

        bare, full = self.find(store)

        assert (full.kind, full.at, full.user, full.job) == ("change", clock.now(), "ann", 3)
        assert (full.definition, full.machine, full.data) == ("d", "m", {"old": 1, "new": [2]})
        assert (bare.user, bare.job, bare.data) == (None, None, {})

    def test_filters_and_order(self, store, clock):
        for n, kind in enumerate("abca"):
            self.add(store, kind, user=f"u{n}", job=n)
            clock.advance(1)
        ids = [event.id for event in self.find(store)]

        assert ids == sorted(ids, reverse=True)
        assert [event.job for event in self.find(store, kind="a")] == [3, 0]
        assert [event.job for event in self.find(store, user="u2")] == [2]
        assert [event.job for event in self.find(store, job=1)] == [1]
        assert [event.job for event in self.find(store, since=to_micros(clock.now() - timedelta(seconds=2)))] == [3, 2]
        assert [event.job for event in self.find(store, limit=1)] == [3]
        assert [event.job for event in self.find(store, after=ids[-1])] == [1, 2, 3]


def test_a_worker_that_stops_says_so(store, clock):
    id = add_worker(store)
    clock.advance(4)

    with store.transaction() as tx:
        assert store.workers.beat(tx, id, "stopping", store.now())
        assert store.workers.get(tx, id).state == "stopping"
        assert [worker.id for worker in store.workers.alive(tx)] == [id]
        store.workers.end(tx, id, "stopped", store.now())

    with store.read() as tx:
        found = store.workers.get(tx, id)
    assert (found.state, found.ended_at - found.started_at) == ("stopped", 4 * SECOND)


def test_results_are_read_by_job(store):
    a, b = put(store, new("a"), new("b"))
    for claimed in claim(store, tasks="ab"):
        end(store, claimed, result=f'"{claimed.task}"' if claimed.task == "a" else None)

    with store.read() as tx:
        assert store.jobs.results(tx, [a, b, 99]) == {a: ("a", '"a"'), b: ("b", None)}
