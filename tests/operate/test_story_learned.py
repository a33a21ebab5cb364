"""What a story says was learned, and from which model on that counts."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events import Event
from streams.operate.story import UnknownIdError, stories, story_of
from streams.operate.story_text import text_of
from streams.operate.topic_reader import StoredRecord
from tests.loop.decided import START, S, experience, proposal, verdict
from tests.operate.test_evaluation import Listed

LATER = [(START + 25 * S, "ridges/17")]
OF = proposal("restart")
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("observed", {}, "learned (observed): restart was done, reward 0.50, cost 0.00; counts from model ridges/17 on"),
    ("early", {}, "learned (early): restart was done, reward 0.50, cost 0.00; counts from model ridges/17 on"),
    (
        "censored",
        {"reward": None},
        "ended (censored): restart was done, no reward, cost 0.00; nothing is learned from that",
    ),
    ("unobservable", {"reward": None}, "nothing is learned from that"),
    ("defaulted", {"reward": None}, "nothing is learned from that"),
    ("observed", {"reward": 5.0}, "reward 5.00, cost 0.00; nothing is learned from that"),  # it cannot be one
    ("observed", {"episode": ""}, "nothing is learned from that"),  # of a life
    (
        "late",
        {"reward": None, "retracted_reward": 0.5},
        "no reward instead of 0.50, cost 0.00; counts from model ridges/17 on",
    ),
]


@pytest.mark.parametrize(("state", "fields", "says"), CASES)
def test_it_is_said_to_be_learned_only_where_it_is(state: str, fields: dict[str, Any], says: str) -> None:
    text = text_of(experience(OF, state, **fields), LATER)
    assert text.endswith(says)
    assert text.startswith("ended" if "no reward" in text or "nothing" in says else "learned")


def test_where_nothing_was_decided_since_it_says_so() -> None:
    assert text_of(experience(OF), [(START, "ridges/17")]).endswith("; no decision was made since")


def test_it_counts_in_decisions_about_episodes_and_not_in_those_of_people_or_on_lives() -> None:
    others = [
        replace(proposal(episode="", entity=entity, id=entity), time_us=START + 24 * S, model=model, by=by)
        for entity, model, by in (("web-2", "by-person", "eva"), ("web-3", "lives/2", "loop"))
    ]
    last = replace(proposal(episode="e2", entity="web-4"), time_us=START + 30 * S, model="ridges/18")
    log = Listed([OF, verdict(OF), experience(OF), *others, last])
    assert stories(log, {"e1"})["e1"].steps[-1].text.endswith("; counts from model ridges/18 on")


class Counted(Listed):
    """A log that counts how often it is read."""

    readings = 0

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        self.readings += 1
        return super().events(*topics)


def test_an_id_that_many_have_is_refused_after_one_reading() -> None:
    log = Counted([proposal(episode=f"e{number}", id=f"1{number:03}") for number in range(40)])
    with pytest.raises(UnknownIdError, match="40 stories have ids that begin so: e0, e1, e10, e11, e12"):
        story_of(log, "1")
    assert log.readings == 1
    assert story_of(log, "1007").episode == "e7"
    assert log.readings == 3
