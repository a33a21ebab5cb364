"""What one verdict says as a decision of a gate."""

import pytest

from streams.replay.decisions import decision_of
from tests.loop.decided import proposal, verdict


@pytest.mark.parametrize(
    ("blocked", "masked"),
    [
        ((), False),
        (("level:recycle", "refused:shed"), False),
        (("action:recycle",), True),
        (("level:recycle", "loop"), True),
        (("entity:web-1", "refused:shed"), True),
    ],
)
def test_limits_mask_but_not_what_the_loop_left_out_by_itself(blocked: tuple[str, ...], masked: bool) -> None:
    assert decision_of(verdict(proposal(blocked=blocked))).masked == masked
