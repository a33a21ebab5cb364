"""What becomes of an action that several groups of executors do."""

import pytest

from schemas.events import Event, Experience, Outcome, Verdict
from streams.loop.attribute import Attribute
from streams.loop.groups import GROUPS_MAX
from tests.loop.decided import at, measured, outcome, proposal, recorded, verdict
from tests.loop.test_attribute import DUE, attribute, fresh

STATES = {"+": "claimed", "v": "succeeded", "-": "failed", "?": "unknown", "0": "refused"}


def words(of: Verdict, heard: str) -> list[Outcome]:
    """Return what groups say of an action: a letter for the group, and a sign for what it says."""
    return [
        outcome(of, STATES[word[1]], 0.1 * n, group=word[0], id=f"{of.id}/{n}") for n, word in enumerate(heard.split())
    ]


def experiences(outputs: list[Event]) -> list[tuple[str, str | None]]:
    return [(one.state, one.outcome) for one in outputs if isinstance(one, Experience)]


def told(processor: Attribute, of: Verdict, heard: str) -> list[tuple[str, str | None]]:
    """Fold a verdict and what groups say, and return the experiences that come of it at once."""
    return experiences(processor.on_batch(recorded(of, *words(of, heard)), at(0)))


def another(name: str, action: str = "restart") -> Verdict:
    return verdict(proposal(action, episode=name, entity=name))


def judged(processor: Attribute, of: Verdict, heard: str) -> list[tuple[str, str | None]]:
    """Return the experiences of an action by when its horizon has ended."""
    processor.restore(processor.snapshot())
    seen = recorded(*measured("xxx.......", entity=of.proposal.entity), first=100)
    now = told(processor, of, heard) + experiences(processor.on_batch(seen, at(DUE)))
    return now + experiences(processor.on_time(at(DUE)))


@pytest.mark.parametrize("first", ["a+ a0 b+ b-", "a+ b+ av bv"])
def test_of_what_several_groups_do_a_refusal_by_one_waits_for_the_others(first: str) -> None:
    processor = attribute()
    assert len(judged(processor, another("first"), first)) == 1
    assert judged(processor, another("second"), "a+ a0 b+ b-") == [("observed", "failed")]
    assert judged(processor, another("third"), "b+ b0 a+") == [("defaulted", "claimed")]
    assert told(processor, another("fourth"), "a+ a0") == []
    assert judged(processor, another("fifth"), "a+ a0") == [("censored", "refused")] * 2
    assert told(processor, another("other action", "shed"), "a+ a0") == [("censored", "refused")]


def test_of_what_one_group_does_its_refusal_counts_at_once() -> None:
    processor = attribute()
    for name in ("first", "second", "third"):
        assert told(processor, another(name), "a+ a0 a+") == [("censored", "refused")]
        processor.restore(processor.snapshot())


def test_a_refusal_that_waits_for_other_groups_is_told_of_where_there_is_no_room() -> None:
    processor = fresh(open_limit=1)
    judged(processor, another("first"), "a+ b+ av bv")
    assert told(processor, another("second"), "a+ a0") == []
    assert told(processor, another("third"), "") == [("censored", "refused")]


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ("a+ b+ c+ av bv c-", "failed"),
        ("a+ av b+ bv c+ c-", "failed"),
        ("a+ a+ a+ a+ a+ av b+ b-", "failed"),
        ("a0 a+ a- av b+ bv", "failed"),
        ("a0 b0 c0 d0 e0 f+ fv", "succeeded"),
    ],
)
def test_what_several_groups_say_ahead_of_the_verdict_counts_as_after_it(heard: str, said: str) -> None:
    of = another("one")
    behind, ahead = attribute(), attribute()
    ahead.on_batch(recorded(*words(of, heard)), at(0))
    assert judged(ahead, of, "") == judged(behind, of, heard) == [("observed", said)]


@pytest.mark.parametrize("heard", ["a+ a0 b0", "a+ a0 b+ b0"])
def test_a_refusal_ahead_of_the_verdict_is_told_once_whatever_was_heard_after_it(heard: str) -> None:
    processor = attribute()
    of = another("one")
    processor.on_batch(recorded(*words(of, heard)), at(0))
    assert judged(processor, of, "") == [("censored", "refused")]


def test_a_claim_ahead_of_the_verdict_tells_that_another_group_does_such_actions() -> None:
    processor = attribute()
    of = another("one")
    processor.on_batch(recorded(*words(of, "a+ a0 b+")), at(0))
    assert told(processor, of, "") == [("censored", "refused")]
    assert told(processor, another("two"), "a+ a0") == []


def test_what_is_kept_ahead_of_a_verdict_is_bounded() -> None:
    processor = attribute()
    groups = [chr(0x100 + number) for number in range(2 * GROUPS_MAX)]
    said = words(another("one"), " ".join(group + sign for sign in "00-?++--v0" for group in groups))
    processor.on_batch(recorded(*said), at(0))
    known = processor.snapshot()
    assert known.count(b"executor-1") == 4 * GROUPS_MAX
    assert (known.count(b"claimed"), known.count(b"failed")) == (GROUPS_MAX, 2 * GROUPS_MAX)
