"""What a job waits for."""

import pytest

from jobyard.errors import BadArguments
from jobyard.model.newjob import SUCCESS, NewOp, accepted_bits
from jobyard.model.references import Ref
from jobyard.task.dependencies import check_order, merged

SUCCEEDED = accepted_bits({"succeeded"})
FAILED = accepted_bits({"failed"})


def test_a_result_among_the_arguments_needs_success():
    assert merged([], [Ref([0], job=7)]) == [(7, SUCCEEDED)]


def test_a_job_that_is_mentioned_twice_is_waited_for_once_by_what_both_accept():
    assert merged([(7, SUCCESS), (8, FAILED)], [Ref([0], job=7), Ref(["x"], job=7)]) == [(7, SUCCEEDED), (8, FAILED)]
    assert merged([(7, SUCCEEDED | FAILED), (7, SUCCESS)], []) == [(7, SUCCEEDED)]


def test_a_result_of_a_job_that_is_to_fail_is_refused():
    with pytest.raises(BadArguments, match="job 7 cannot end as failed and also as succeeded"):
        merged([(7, FAILED)], [Ref([0], job=7)])


def test_results_of_ops_and_definitions_are_no_dependencies():
    assert merged([], [Ref([0], op=0), Ref([1], name="extract")]) == []


@pytest.mark.parametrize("op", [1, 2, -1])
def test_an_op_takes_results_of_earlier_ops_only(op):
    with pytest.raises(BadArguments, match=rf"retval\(op={op}\) in op 1"):
        check_order(NewOp("t", "[[null]]", [Ref([0], op=op)]), 1)

    check_order(NewOp("t", "[[null]]", [Ref([0], op=0)]), 1)
