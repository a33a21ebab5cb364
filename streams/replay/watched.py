"""What was measured after the first proposal about each episode: by one rule, whatever was done about it."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schemas.events import Episode, Event, Measurement, Proposal
from streams.loop.attribute import AttributeSettings
from streams.loop.attribute.joins import Window, window_of, with_another
from streams.loop.attribute.reward import measure


class Place(Protocol):
    """Where a record lies in its topic."""

    @property
    def partition(self) -> int:
        """The partition."""
        ...

    @property
    def offset(self) -> int:
        """The offset in it: above 0 where it is the first, records before it are no longer kept."""
        ...


@dataclass(slots=True)
class _Open:
    """A first proposal whose horizon has not passed yet, with the windows in it; `shares` are those of the metrics that
    made its episode.
    """

    proposal: Proposal
    shares: dict[str, float]
    windows: list[Window] = field(default_factory=list)
    is_cut: bool = False
    closed_us: int | None = None


@dataclass(slots=True)
class Watched:
    """By the ids of first proposals what recovery left of the horizon, 0 to 1; those of which nothing could be measured
    are missing. `closed` are the episodes that are over. All is known from `since_us` on; None: nothing is.
    """

    rewards: dict[str, float] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    since_us: int | None = None


def watch(insights: Iterable[tuple[Place, Event]], firsts: Sequence[Proposal], settings: AttributeSettings) -> Watched:
    """Measure the horizon after each of some first proposals by what detect said, in order of time for each entity.

    A recovery counts from the proposal on, also one before anything was done. Windows are kept while a horizon lasts,
    by the rules and limits of outcomes.
    """
    watching = _Watching(firsts, settings)
    begun: dict[int, tuple[int, int]] = {}
    for place, event in insights:
        begun.setdefault(place.partition, (place.offset, event.time_us))
        if isinstance(event, Measurement):
            watching.see(event)
        elif isinstance(event, Episode):
            watching.follow(event)
    watching.finish()
    cut = [time_us for offset, time_us in begun.values() if offset > 0]
    watching.found.since_us = max([*cut, min(time_us for _, time_us in begun.values())]) if begun else None
    return watching.found


class _Watching:
    def __init__(self, firsts: Sequence[Proposal], settings: AttributeSettings) -> None:
        self.found = Watched()
        self._settings = settings
        self._waiting: dict[str, deque[Proposal]] = defaultdict(deque)
        self._open: dict[str, deque[_Open]] = defaultdict(deque)
        self._episodes = {one.episode for one in firsts}
        self._shares: dict[str, dict[str, float]] = {}
        for one in sorted(firsts, key=lambda first: first.time_us):
            self._waiting[one.entity].append(one)

    def see(self, event: Measurement) -> None:
        """Keep a window for those in whose horizon it lies."""
        if event.entity not in self._waiting:
            return
        self._turn(event.entity, event.time_us)
        self._begin(event.entity, event.end_us)
        for one in self._open[event.entity]:
            _keep(one, window_of(event, self._settings, one.shares), self._settings)

    def follow(self, event: Episode) -> None:
        """Note which metrics made an episode, or that it is over."""
        if event.episode not in self._episodes:
            return
        if event.phase != "closed":
            if event.shares:
                self._shares[event.episode] = event.shares
            return
        self.found.closed.add(event.episode)
        self._turn(event.entity, event.time_us)
        self._begin(event.entity, event.time_us)
        for one in self._open[event.entity]:
            if one.proposal.episode == event.episode:
                one.closed_us = event.closed_us

    def finish(self) -> None:
        """Measure all that is left."""
        for one in [one for of in self._open.values() for one in of]:
            self._measure(one)

    def _begin(self, entity: str, end_us: int) -> None:
        """Open the horizons that began before a window ended."""
        waiting = self._waiting[entity]
        while waiting and waiting[0].time_us < end_us:
            first = waiting.popleft()
            self._open[entity].append(_Open(first, self._shares.pop(first.episode, {})))

    def _turn(self, entity: str, now_us: int) -> None:
        """Measure those whose horizon has passed, and keep one number of each."""
        opened, span_us = self._open[entity], self._settings.horizon_us + self._settings.grace_us
        while opened and opened[0].proposal.time_us + span_us <= now_us:
            self._measure(opened.popleft())

    def _measure(self, one: _Open) -> None:
        start_us = one.proposal.time_us
        found = measure(
            one.windows,
            decided_us=start_us,
            ended_us=start_us,
            closed_us=one.closed_us,
            horizon_us=self._settings.horizon_us,
            settings=self._settings,
            is_cut=one.is_cut,
        )
        if found is not None:
            self.found.rewards[one.proposal.id] = found.left


def _keep(one: _Open, window: Window, settings: AttributeSettings) -> None:
    """Keep a window of the horizon, as outcomes do; of the parts of one that a silence cut in two the first counts."""
    start_us = one.proposal.time_us
    if window.end_us > start_us and window.start_us < start_us + settings.horizon_us:
        one.windows, one.is_cut = with_another(one.windows, window, settings.windows_limit, is_cut=one.is_cut)
