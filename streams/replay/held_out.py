"""The episodes of a hold-out in order, with what each was worth, whatever became of the proposals about it.

An episode belongs to the arm that its draw gave it, also where limits, people or executors had it otherwise (intention
to treat). Its worth counts from its first proposal on: the share of the horizon that recovery left over, the wait for
people and for further attempts taken off, less the cost of all that was done. Where nothing was done, so that nobody
waited for an outcome, it is measured from the same windows by the same rule. What could not be measured counts as not
recovered: in every arm alike, so that an action which silences the measurement gains nothing by that.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from schemas.events import NONE, Approval, Episode, Event, Measurement, Proposal
from streams.loop.attribute import AttributeSettings
from streams.loop.attribute.joins import Window, window_of
from streams.loop.attribute.reward import measure
from streams.replay.episodes import KEPT, DecidedEpisode, first_open, read_episodes
from streams.replay.neighbours import Neighbours


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """One episode of the hold-out. `told_us` is when its reward was known; `measured`: whether anything was.

    `likeliest` is the probability of the likeliest action of the loop's choice, `took_likeliest` whether that was
    drawn; `answers` what people were asked for it and said. `exposed`: within the horizon of it something was done to
    another entity of its group, and `crossed`: by another arm.
    """

    proposal: Proposal
    arm: str
    shares: Mapping[str, float]
    reward: float
    cost: float
    measured: bool
    acted: bool
    told_us: int
    answers: int
    likeliest: float
    took_likeliest: bool
    exposed: bool
    crossed: bool


@dataclass(slots=True)
class _Seen:
    """What was measured of an entity after the first proposal about an episode of it, of which nothing came."""

    proposal: Proposal
    windows: list[Window] = field(default_factory=list)
    closed_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOutLog:
    """The episodes in order; `open` have not ended, or came after one that may yet; `older` are not kept."""

    episodes: Sequence[HeldOut]
    open: int
    older: int


def read_held_out(
    ends: Iterable[Event],
    seen: Iterable[Event],
    answers: Iterable[Event],
    *,
    settings: AttributeSettings,
    wait_us: int,
    most: int = KEPT,
) -> HoldOutLog:
    """Read a hold-out from `ends` (all verdicts, then the experiences), `seen` (what detect said) and `answers` (what
    people said). `wait_us` is the longest that a decision takes to end. Memory is bounded by `most` episodes.
    """
    episodes = read_episodes(ends, most=most)
    mine = [one for one in episodes.mine if one.by_loop()[0].hold_out is not None]
    horizon_us = settings.horizon_us + settings.grace_us
    stop = first_open(mine, episodes.last_us - wait_us)
    while stop and mine[stop - 1].by_loop()[0].time_us + horizon_us > episodes.last_us:
        stop -= 1
    ended = [one for one in mine[:stop] if one.by_loop()[0].id in one.ends]
    asked = _answers(answers, ended)
    left_alone = _look(seen, [one for one in ended if not _acts(one)], settings)
    neighbours = Neighbours(ended, horizon_us=settings.horizon_us)
    return HoldOutLog(
        episodes=[_held_out(one, left_alone.get(one.by_loop()[0].id), asked, neighbours, settings) for one in ended],
        open=len(mine) - len(ended),
        older=episodes.older,
    )


def _acts(episode: DecidedEpisode) -> bool:
    return any(end.effective != NONE for end in episode.ends.values())


def _answers(answers: Iterable[Event], ended: Sequence[DecidedEpisode]) -> dict[str, int]:
    """Return how many answers people gave to each proposal; one that comes twice counts once."""
    known = {one.id for episode in ended for one in episode.by_loop()}
    given = {event.id: event.proposal for event in answers if isinstance(event, Approval) and event.proposal in known}
    counts: dict[str, int] = defaultdict(int)
    for proposal in given.values():
        counts[proposal] += 1
    return counts


def _look(events: Iterable[Event], episodes: Sequence[DecidedEpisode], settings: AttributeSettings) -> dict[str, _Seen]:
    """Return by the ids of first proposals what was measured within the horizon of each."""
    found = {first.id: _Seen(first) for episode in episodes for first in episode.by_loop()[:1]}
    by_entity: dict[str, list[_Seen]] = defaultdict(list)
    by_episode = {one.proposal.episode: one for one in found.values()}
    for one in found.values():
        by_entity[one.proposal.entity].append(one)
    times = {entity: [one.proposal.time_us for one in of] for entity, of in by_entity.items()}
    for event in events:
        if isinstance(event, Measurement) and event.entity in times:
            first = bisect_left(times[event.entity], event.start_us - settings.horizon_us)
            for one in by_entity[event.entity][first:]:
                if one.proposal.time_us >= event.end_us:
                    break
                _keep(one, window_of(event, settings.availability), settings)
        elif isinstance(event, Episode) and event.phase == "closed" and event.episode in by_episode:
            by_episode[event.episode].closed_us = event.closed_us
    return found


def _keep(one: _Seen, window: Window, settings: AttributeSettings) -> None:
    """Keep a window; of the parts of one that a silence cut in two the first counts."""
    newer = not one.windows or window.start_us > one.windows[-1].start_us
    if newer and len(one.windows) < settings.windows_limit:
        one.windows.append(window)


def _held_out(
    episode: DecidedEpisode,
    seen: _Seen | None,
    asked: Mapping[str, int],
    neighbours: Neighbours,
    settings: AttributeSettings,
) -> HeldOut:
    first = episode.by_loop()[0]
    assert first.hold_out is not None  # noqa: S101  # others were left out
    arms = neighbours.arms_beside(first)
    cost = sum(end.cost for end in episode.ends.values() if end.effective != NONE)
    worth = [
        end.reward + end.cost - max(0, end.decided_us - first.time_us) / settings.horizon_us
        for end in episode.ends.values()
        if end.reward is not None
    ]
    told_us = max(end.told_us for end in episode.ends.values())
    if not worth and seen is not None:
        told_us = max(told_us, first.time_us + settings.horizon_us + settings.grace_us)
        worth = _measured(seen, settings)
    likeliest = max(first.probabilities, key=lambda name: (first.probabilities[name], name))
    return HeldOut(
        proposal=replace(first, features={}, parameters={}),
        arm=first.hold_out.arm,
        shares=first.hold_out.shares,
        reward=min(1.0, max([0.0, *worth])) - cost,
        cost=cost,
        measured=bool(worth),
        acted=_acts(episode),
        told_us=told_us,
        answers=sum(asked.get(one.id, 0) for one in episode.by_loop()),
        likeliest=first.probabilities[likeliest],
        took_likeliest=first.action == likeliest,
        exposed=bool(arms),
        crossed=bool(arms - {first.hold_out.arm}),
    )


def _measured(seen: _Seen, settings: AttributeSettings) -> list[float]:
    found = measure(
        seen.windows,
        decided_us=seen.proposal.time_us,
        ended_us=seen.proposal.time_us,
        closed_us=seen.closed_us,
        cost=0.0,
        settings=settings,
    )
    return [] if found is None else [found.reward]
