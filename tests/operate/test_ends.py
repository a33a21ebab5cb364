"""How actions ended, as the status and the report of a run count them."""

import pytest

from streams.operate.ends import states_of
from tests.loop.decided import proposal, verdict
from tests.loop.test_attribute_groups import words


@pytest.mark.parametrize(
    ("heard", "state"),
    [
        # group and what it says
        ("a+", "claimed"),
        ("a+ av", "succeeded"),
        ("a+ av a-", "succeeded"),  # of a group its first end
        ("a+ b+ av b-", "failed"),  # of several the worst
        ("a+ b+ a- bv", "failed"),
        ("a+ b+ av", "claimed"),  # another still runs it
        ("a+ av b+", "claimed"),
        ("a+ av b+ b?", "unknown"),
        ("a0", "refused"),
        ("a0 b+", "claimed"),
        ("a0 b+ bv", "succeeded"),
        ("a+ av b0", "succeeded"),
        ("a+ b+ a0 b0", "refused"),
    ],
)
def test_an_action_ends_when_each_group_that_claimed_it_has_ended_it_and_its_worst_end_counts(
    heard: str, state: str
) -> None:
    of = verdict(proposal("restart"))
    assert states_of(words(of, heard)) == {of.action: state}
