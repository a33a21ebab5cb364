"""One causal story: from the telemetry that made an episode to what the models learned from how it was answered."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from schemas.errors import FlyballError
from schemas.events import (
    Action,
    Approval,
    Episode,
    Event,
    Experience,
    LevelChange,
    Outcome,
    Proposal,
    Recurrence,
    Storm,
    Verdict,
)
from streams.operate.story_text import Told, text_of
from streams.operate.topic_reader import StoredRecord

TOPICS = ("insights", "patterns", "policy", "approvals", "verdicts", "actions", "outcomes", "experience")
FEW = 5
OF_EPISODES = "ridges/"
"""How the versions of the model begin that decides about episodes: of lives, and by people, others decide."""


class Reader(Protocol):
    """Reads a loop's topics, from Kafka or from memory."""

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        """Yield every decodable event of some topics; each partition in offset order."""
        ...


class UnknownIdError(FlyballError):
    """Nothing on the topics has this id, or several things that do not belong together begin with it."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a story: where its record lies (`topic/partition/offset`), and which records caused it."""

    time_us: int
    kind: str
    id: str
    at: str
    causes: tuple[str, ...]
    text: str


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """All that happened in one episode, or because of a person's own proposal, in order; `missing` are its gaps."""

    entity: str
    episode: str
    steps: tuple[Step, ...]
    missing: tuple[str, ...]


def story_of(reader: Reader, beginning: str) -> Story:
    """Return the story that an id (or its beginning) is part of: of an episode, a proposal, a verdict, an action, an
    outcome or an experience. Raises `UnknownIdError`, and `BrokerError`.
    """
    named: set[str] = set()
    owners: dict[str, str] = {}
    for _, event in _relevant(reader):
        if isinstance(event, Action | Proposal):
            owners[event.id] = _key(event)
        if _is_named(event, beginning) and (key := _key(event)):
            named.add(key)
    keys = sorted({owners.get(key, key) for key in named})
    if len(keys) != 1:
        found = f"{len(keys)} stories have ids that begin so: {', '.join(keys[:FEW])}" if keys else "none was found"
        raise UnknownIdError(
            f"expected the id of an episode, proposal, verdict, action or outcome, got {beginning!r}: {found}"
        )
    (told,) = stories(reader, set(keys)).values()
    return told


def stories(reader: Reader, episodes: set[str]) -> dict[str, Story]:
    """Return the stories of some episodes (or of persons' own proposals, by their ids). Where a level kept an action
    back, what changed it last, or says why it stays, is a part of it.
    """
    of_proposal: dict[str, str] = {}
    of_action: dict[str, str] = {}
    found: dict[str, list[tuple[StoredRecord, Told]]] = {key: [] for key in episodes}
    later: list[tuple[StoredRecord, Outcome | Approval]] = []
    models: list[tuple[int, str]] = []
    levels: dict[tuple[str, str], tuple[StoredRecord, LevelChange]] = {}
    for record, event in _relevant(reader):
        match event:
            case Proposal():
                of_proposal[event.id] = event.episode or event.id
                models.append((event.time_us, event.model))
            case Action():
                of_action[event.id] = event.episode or event.proposal
            case LevelChange():
                levels[event.pattern, event.action] = record, event
            case Verdict() if _key(event) in found:
                found[_key(event)] += _changes(event, levels, found[_key(event)])
        for key in [_key(event)] if not isinstance(event, Storm) else [one.episode for one in event.members]:
            if key in found:
                found[key].append((record, event))
        if isinstance(event, Outcome | Approval):
            later.append((record, event))
    for record, event in later:
        owner = of_action.get(event.action) if isinstance(event, Outcome) else of_proposal.get(event.proposal)
        if owner in found:
            found[owner].append((record, event))
    return {key: _told(key, events, _of_episodes(models)) for key, events in found.items()}


def episodes_of(reader: Reader, entity: str) -> tuple[list[str], list[str]]:
    """Return the episodes of an entity, in order, and those of them that are not over."""
    phases: dict[str, str] = {}
    for _, event in reader.events("insights"):
        if isinstance(event, Episode) and event.entity == entity:
            phases[event.episode] = event.phase
    return list(phases), [episode for episode, phase in phases.items() if phase != "closed"]


def _relevant(reader: Reader) -> Iterator[tuple[StoredRecord, Told]]:
    for record, event in reader.events(*TOPICS):
        if isinstance(event, Told):
            yield record, event


def _key(event: Told) -> str:
    """Return what a story goes by: its episode, or the proposal of a person; an outcome's action, a storm has none."""
    match event:
        case Episode() | Recurrence() | Experience() | LevelChange():
            return event.episode or getattr(event, "proposal", "")
        case Proposal():
            return event.episode or event.id
        case Verdict():
            return event.proposal.episode or event.proposal.id
        case Action():
            return event.episode or event.proposal
        case Outcome():
            return event.action
        case Approval():
            return event.proposal
        case _:
            return ""


def _changes(
    verdict: Verdict,
    levels: Mapping[tuple[str, str], tuple[StoredRecord, LevelChange]],
    told: Sequence[tuple[StoredRecord, Told]],
) -> list[tuple[StoredRecord, Told]]:
    """Return what was last told of the levels that kept an action back, unless it was told already: of what was
    proposed, and of what would have been drawn.
    """
    proposal, known = verdict.proposal, {one.id for _, one in told}
    kept_back = [proposal.action] if verdict.decided_by == "level" else []
    kept_back += [] if proposal.wanted is None else [proposal.wanted]
    changes = [levels.get((proposal.pattern, action)) for action in dict.fromkeys(kept_back)]
    return [change for change in changes if change is not None and change[1].id not in known]


def _is_named(event: Told, beginning: str) -> bool:
    return event.id.startswith(beginning) or (isinstance(event, Episode) and event.episode.startswith(beginning))


def _of_episodes(models: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return sorted(one for one in models if one[1].startswith(OF_EPISODES))


def _told(key: str, events: list[tuple[StoredRecord, Told]], models: list[tuple[int, str]]) -> Story:
    attempts = _attempts(events)
    events.sort(key=lambda pair: (*_place(pair[1], attempts), pair[0].offset))
    steps = tuple(
        Step(
            time_us=event.time_us,
            kind=type(event).__name__.lower(),
            id=event.id,
            at=f"{record.topic}/{record.partition}/{record.offset}",
            causes=event.causes,
            text=text_of(event, models),
        )
        for record, event in events
    )
    entity = next((event.entity for _, event in events if isinstance(event, Episode | Proposal)), "")
    return Story(entity=entity, episode=key, steps=steps, missing=tuple(_missing([event for _, event in events])))


_ORDER = (Episode, Recurrence, Storm, Proposal, Approval, Verdict, Action, Outcome, Experience, LevelChange)


def _attempts(events: list[tuple[StoredRecord, Told]]) -> dict[str, int]:
    """Return which attempt each proposal is, and each action."""
    offsets = sorted((record.offset, event.id) for record, event in events if isinstance(event, Proposal))
    attempts = {proposal: number for number, (_, proposal) in enumerate(offsets, start=1)}
    of_action = {event.id: attempts.get(event.proposal, 0) for _, event in events if isinstance(event, Action)}
    return attempts | of_action


def _place(event: Told, attempts: dict[str, int]) -> tuple[int, int]:
    """Return where in a story an event belongs: what led to it, attempt by attempt, the end. By what caused it, not by
    time: every process has a clock of its own, which may be wrong.
    """
    rank = _ORDER.index(type(event))
    match event:
        case Episode(phase="closed"):
            return len(attempts) + 1, rank
        case Proposal():
            return attempts[event.id], rank
        case Verdict():
            return attempts.get(event.proposal.id, 0), rank
        case Outcome():
            return attempts.get(event.action, 0), rank
        case Action() | Approval() | Experience() | LevelChange():
            return attempts.get(event.proposal, 0), rank
        case _:
            return 0, rank


def _missing(events: list[Told]) -> Iterator[str]:
    """Name every link that a whole story would have."""
    kinds = {type(event) for event in events}
    ids = {event.id for event in events}
    if Episode in kinds and not any(isinstance(event, Episode) and _from_telemetry(event) for event in events):
        yield "the telemetry that opened the episode"
    for event in events:
        match event:
            case Proposal() if event.episode and Recurrence not in kinds:
                yield f"the recurrence that proposal {event.id[:12]} answers"
            case Verdict() if event.proposal.id not in ids:
                yield f"the proposal of verdict {event.id[:12]}"
            case Action() if not any(isinstance(one, Verdict) and one.action == event.id for one in events):
                yield f"the verdict that let action {event.id[:12]} through"
            case Action():
                yield from _missing_after(event, events)


def _missing_after(action: Action, events: list[Told]) -> Iterator[str]:
    ends = [one for one in events if isinstance(one, Outcome) and one.action == action.id and one.state != "claimed"]
    if not ends:
        yield f"the end of action {action.id[:12]}"
    if not any(isinstance(one, Experience) and one.is_outcome and one.proposal == action.proposal for one in events):
        yield f"what was learned from action {action.id[:12]}"


def _from_telemetry(episode: Episode) -> bool:
    return any(cause.startswith(("telemetry/", "timer:")) for cause in episode.causes)
