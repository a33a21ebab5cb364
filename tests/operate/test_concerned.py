"""`flyball why` names every limit that keeps the loop from acting, as the policy waits for it."""

import msgspec
import pytest

from schemas.events import Blocked
from streams.loop.policy.held_back import HeldBack
from streams.loop.policy.openings import Openings
from streams.loop.policy.state import Waiting
from streams.operate.concerned import concerned_scopes
from tests.loop.decided import recurrence
from tests.loop.gate_bench import ACTIONS, proposal, ready
from tests.operate.test_in_flight import Log

LIMITS = ("loop_limit", "pattern_limit", "entity_attempts")


def blocked_by(**limits: str) -> dict[str, int]:
    """Return what a gate tells that is blocked after one action on e0 against p-1."""
    bench, blocked = ready(**limits), dict[str, int]()
    for event in bench.give(proposal("q1", time_us=bench.us)):
        if isinstance(event, Blocked):
            event.bring_up_to_date(blocked)
    return blocked


@pytest.mark.parametrize("limit", LIMITS)
def test_whatever_limit_the_policy_waits_for_concerns_the_entity(limit: str) -> None:
    blocked = blocked_by(**{limit: "1/day"})
    entity = "e0" if limit == "entity_attempts" else "e5"
    again = recurrence(entity=entity, episode="now", pattern="p-1")
    openings = Openings(blocked, actions=tuple(ACTIONS), held_back=HeldBack(limit=1))
    assert openings.opens_us(Waiting(recurrence=again, attempt=1, due_us=None)) > 0
    assert blocked.keys() & concerned_scopes(Log(again), entity, {"now"}, actions=ACTIONS)


def test_of_patterns_those_concern_it_as_which_its_episodes_were_recognised_last() -> None:
    first = recurrence(entity="e5", episode="now", pattern="p-1")
    later, other = (
        msgspec.structs.replace(first, **fields)
        for fields in ({"pattern": "p-2"}, {"episode": "before", "pattern": "p-3"})
    )
    found = concerned_scopes(Log(first, later, other), "e5", {"now"}, actions=["restart"])
    assert found == {"loop", "entity:e5", "pattern:p-2", "action:restart", "action:ask"}
