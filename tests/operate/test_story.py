"""One causal story per action, with no link missing, from a run in which everything crashes now and then."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
from msgspec import structs

from schemas.events import Action, Episode, Event, Experience, LevelChange, Outcome, Proposal, Verdict
from streams.operate.memory_reader import MemoryReader
from streams.operate.story import TOPICS, UnknownIdError, episodes_of, stories, story_of
from streams.operate.topic_reader import StoredRecord
from tests.simulation.judged import TELEMETRY_EVENTS, driver_of

SEED = 11
UNFINISHED_US = 25_000_000
"""What was decided so shortly before the run was cut off has no end yet."""


class Held:
    """A reader of a log that was read once, and perhaps has lost some events."""

    def __init__(self, found: list[tuple[StoredRecord, Event]]) -> None:
        self.found = found

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        return (pair for pair in self.found if pair[0].topic in topics)

    def without(self, kind: type[Event]) -> "Held":
        return Held([pair for pair in self.found if not isinstance(pair[1], kind)])


@pytest.fixture(scope="module")
def reader() -> Held:
    driver = driver_of(SEED)
    driver.run(telemetry_events=TELEMETRY_EVENTS)
    return Held(list(MemoryReader(driver.log).events(*TOPICS)))


def finished(reader: Held) -> list[Action]:
    actions = [event for _, event in reader.events("actions") if isinstance(event, Action)]
    last_us = max(event.time_us for _, event in reader.events("insights"))
    return [action for action in actions if action.time_us < last_us - UNFINISHED_US]


def test_the_story_of_every_action_is_whole(reader: Held) -> None:
    actions = finished(reader)
    told = stories(reader, {action.episode for action in actions})
    assert len(actions) >= 15
    for action in actions:
        story = told[action.episode]
        assert story.missing == (), f"{action.id}: {story.missing}"
        kinds = [step.kind for step in story.steps]
        assert [kind for kind in dict.fromkeys(kinds) if kind != "storm"][:4] == [
            "episode",
            "recurrence",
            "proposal",
            "verdict",
        ]
        assert {"action", "outcome", "experience"} <= set(kinds)
        assert next(iter(story.steps)).causes[0].startswith("telemetry/")
        assert all(step.causes for step in story.steps if step.kind != "outcome")


def test_any_id_of_a_story_leads_to_it(reader: Held) -> None:
    action = finished(reader)[0]
    story = story_of(reader, action.episode)
    assert action.id in {step.id for step in story.steps}
    for step in story.steps:
        if step.kind != "storm":
            assert story_of(reader, step.id) == story, step.kind
    assert story_of(reader, action.id[:12]) == story


def test_an_id_that_nothing_has_or_many_have_says_so(reader: Held) -> None:
    with pytest.raises(UnknownIdError, match="none was found"):
        story_of(reader, "zz")
    with pytest.raises(UnknownIdError, match="stories have ids that begin so"):
        story_of(reader, "")


def test_where_a_level_kept_an_action_back_its_story_says_why_that_stays(reader: Held) -> None:
    record, refused = [pair for pair in reader.events("verdicts") if isinstance(pair[1], Verdict)][-1]
    assert isinstance(refused, Verdict)
    one = refused.proposal
    refused = msgspec.structs.replace(refused, id="d" * 32, verdict="shadow", decided_by="level", level="suggest")
    values = {"pattern": one.pattern, "action": one.action, "level": "suggest", "was": "suggest", "start": "suggest"}
    changes = [
        LevelChange(
            id=name * 32,
            time_us=refused.time_us,
            reason=reason,
            detail="40m late",
            remedy="a shorter horizon",
            episode="another one",
            **values,  # type: ignore[arg-type]  # levels of the contract
        )
        for name, reason in (("a", "unknown"), ("b", "slow"))
    ]
    later = [(replace(record, offset=1_000_000 + number), event) for number, event in enumerate((*changes, refused))]
    story = story_of(Held([*reader.found, *later]), refused.id)
    (told,) = [step for step in story.steps if step.id in {change.id for change in changes}]
    assert told.text.endswith("its outcomes come too late (40m late); what would change that: a shorter horizon")
    assert story.steps.index(told) < [step.kind for step in story.steps].index("proposal")


def test_and_where_it_kept_back_what_would_have_been_drawn(reader: Held) -> None:
    record, let = [pair for pair in reader.events("verdicts") if isinstance(pair[1], Verdict)][-1]
    assert isinstance(let, Verdict)
    wanted = msgspec.structs.replace(let.proposal, wanted="drain")
    let = msgspec.structs.replace(let, id="d" * 32, proposal=wanted)
    change = LevelChange(
        id="a" * 32,
        time_us=let.time_us,
        pattern=wanted.pattern,
        action="drain",
        level="suggest",
        was="observe",
        start="observe",
        reason="decided",
        decided=10,
        episode="another one",
    )
    later = [(replace(record, offset=1_000_000 + number), event) for number, event in enumerate((change, let, let))]
    story = story_of(Held([*reader.found, *later]), let.id)
    (told,) = [step.text for step in story.steps if step.id == change.id]
    assert told.endswith("/drain: observe -> suggest, wanted often enough; wanted 10 times")


def test_a_level_that_an_episode_tipped_belongs_to_its_story(reader: Held) -> None:
    record, last = [pair for pair in reader.events("experience") if isinstance(pair[1], Experience)][-1]
    values = {"pattern": "p-1", "action": "restart", "level": "approve", "was": "act", "start": "act"}
    change = LevelChange(
        id="f" * 32,
        time_us=last.time_us,
        causes=(f"experience/0/{record.offset}",),
        reason="worse",
        proposal=last.proposal,
        episode=last.episode,
        **values,  # type: ignore[arg-type]  # levels of the contract
    )
    place = replace(record, topic="verdicts", offset=1_000_000)
    story = story_of(Held([*reader.found, (place, change)]), "f" * 32)
    assert story.episode == last.episode
    step = next(step for step in story.steps if step.id == change.id)
    assert step.text == "level of p-1/restart: act -> approve, worse than it was"
    assert [one.kind for one in story.steps].index("experience") < story.steps.index(step)


GAPS: list[tuple[type[Event], str]] = [
    (Proposal, "the proposal of verdict"),
    (Verdict, "the verdict that let action"),
    (Outcome, "the end of action"),
    (Experience, "what was learned from action"),
]


@pytest.mark.parametrize(("kind", "says"), GAPS)
def test_a_missing_link_is_named(reader: Held, kind: type[Event], says: str) -> None:
    action = finished(reader)[0]
    (story,) = stories(reader.without(kind), {action.episode}).values()
    assert any(gap.startswith(says) for gap in story.missing), story.missing


def test_what_is_foretold_is_told_and_is_not_what_was_learned(reader: Held) -> None:
    action = finished(reader)[0]
    early = [
        (record, structs.replace(event, state="early", reward=0.5, retracted_reward=None, signal=0.25))
        for record, event in reader.events("experience")
        if isinstance(event, Experience) and event.proposal == action.proposal
    ]
    told = Held([*reader.without(Experience).found, *early])
    (story,) = stories(told, {action.episode}).values()
    assert f"what was learned from action {action.id[:12]}" in story.missing
    (text,) = {step.text for step in story.steps if step.kind == "experience"}
    assert text.startswith("learned (early)")
    assert "reward 0.50" in text
    assert "early signal 0.25" in text


def test_the_episodes_of_an_entity_are_known_and_which_are_open(reader: Held) -> None:
    episode = next(event for _, event in reader.events("insights") if isinstance(event, Episode))
    episodes, open_ones = episodes_of(reader, episode.entity)
    assert episode.episode in episodes
    assert set(open_ones) < set(episodes) or not open_ones
