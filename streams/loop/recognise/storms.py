"""Storms: entities that become abnormal together, and which of them it likely began with."""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec
import numpy as np

from schemas.events import Census, Episode, Event, Measurement, StormMember
from schemas.ids import derive
from streams.learners.onset_order import OnsetOrder
from streams.learners.origins import blame_of, shares_of
from streams.loop.recognise.graph_settings import GraphSettings

LEAST_SEVERITY = 0.5
"""What an episode counts at least: one may open on surprise alone, with no metric far off."""
LEAST_UNLINKED = 3
WORSE = 1.1
"""A member is ranked anew when it is so many times as bad as when it was ranked last."""
MUCH_WORSE = 2.0
"""So many times as bad, an episode is as one that opens: what opens then belongs together with it."""
CHANCE = 1e-3
"""Entities that nothing links are a storm when so many at once are less likely than this."""


class _Member(msgspec.Struct, array_like=True):
    entity: str
    opened_us: int
    worse_us: int
    """When it last got `MUCH_WORSE`: when it opened, or later."""
    severity: float
    onset: bool = False
    closed: bool = False
    storm: str = ""


class _Storm(msgspec.Struct, array_like=True):
    opened_us: int
    episodes: list[str]
    size: int
    open: int
    origin: str = ""
    """The entity told last."""


class StormView(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to tell of a storm: the fields of the event `Storm` but for its envelope."""

    storm: str
    opened_us: int
    size: int
    closed: bool
    alias_of: str | None
    members: tuple[StormMember, ...]


class _State(msgspec.Struct, array_like=True):
    members: list[tuple[str, _Member]]
    storms: list[tuple[str, _Storm]]
    order: bytes


class Storms:
    """Follows the open episodes of all entities, and joins to storms those that belong together.

    With declared calls, an episode belongs to those of the entities that it calls or that call it, directly or by way
    of other abnormal ones, if they opened within the window; else to all that opened within the window. A storm is told
    at the onset of each member that it names, before that member is decided, when another member looks like the origin
    since one got worse, and when the last of its episodes closed.
    """

    def __init__(self, settings: GraphSettings, *, loop: str) -> None:
        self._settings = settings
        self._loop = loop
        self._calls = {caller: dict.fromkeys(callees) for caller, callees in settings.calls.items()}
        self._actionable = frozenset(settings.actionable)
        self._links: dict[str, dict[str, None]] = {}
        for caller, callees in settings.calls.items():
            for callee in callees:
                self._links.setdefault(caller, {})[callee] = None
                self._links.setdefault(callee, {})[caller] = None
        self._order = OnsetOrder(window_us=settings.window_us, limit=settings.order_limit)
        self._members: OrderedDict[str, _Member] = OrderedDict()
        """Episode to member, while it is open or its storm is."""
        self._episodes: dict[str, str] = {}
        """Entity to its latest episode among the members."""
        self._storms: OrderedDict[str, _Storm] = OrderedDict()

    def fold(self, event: Event) -> list[StormView]:
        """Follow an event; return the storms that it changes, if that is worth telling."""
        match event:
            case Episode(phase="opened"):
                self._admit(event)
            case Episode(phase="onset"):
                return self._onset(event)
            case Episode():
                return self._close(event)
            case Measurement():
                return self._measure(event)
            case Census() if not self._calls:
                self._order.watch(event.time_us)
            case _:
                pass
        return []

    def snapshot(self) -> bytes:
        """Return all storms; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(members=list(self._members.items()), storms=list(self._storms.items()), order=self._order.snapshot())
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all storms by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._members, self._storms = OrderedDict(state.members), OrderedDict(state.storms)
        self._episodes = {member.entity: episode for episode, member in state.members if not member.closed}
        self._order.restore(state.order)

    def _admit(self, episode: Episode) -> _Member:
        member = self._members.get(episode.episode)
        if member is None:
            member = _Member(
                entity=episode.entity,
                opened_us=episode.opened_us,
                worse_us=episode.opened_us,
                severity=episode.severity,
            )
            self._members[episode.episode] = member
            self._episodes.pop(episode.entity, None)
            self._episodes[episode.entity] = episode.episode
            if len(self._members) > self._settings.open_limit:
                self._give_up(next(iter(self._members)))
        return member

    def _give_up(self, episode: str) -> None:
        """Follow an episode no longer: its storm ends without it."""
        member = self._members[episode]
        storm = self._storms.get(member.storm)
        if storm is not None and not member.closed:
            storm.open -= 1
            if not storm.open:
                self._forget(member.storm)
        self._drop(episode)

    def _drop(self, episode: str) -> None:
        member = self._members.pop(episode, None)
        if member is not None and self._episodes.get(member.entity) == episode:
            del self._episodes[member.entity]

    def _onset(self, episode: Episode) -> list[StormView]:
        member = self._admit(episode)
        if member.onset:
            return []
        member.onset, member.severity = True, episode.severity
        if not self._calls:
            self._order.watch(episode.time_us)
            self._order.learn(member.entity, member.opened_us)
        return self._flare(episode.episode, member) if not member.storm else self._tell(episode.episode, member)

    def _flare(self, episode: str, member: _Member) -> list[StormView]:
        """Return what there is to tell when an episode came to its onset, or got much worse."""
        return [*self._gather(episode, member), *self._tell(episode, member)]

    def _tell(self, episode: str, member: _Member) -> list[StormView]:
        storm = self._storms.get(member.storm)
        if storm is None or episode not in storm.episodes:
            return []
        self._leave_behind(storm, member)
        return self._view(member.storm, storm, closed=False)

    def _leave_behind(self, storm: _Storm, latest: _Member) -> None:
        """Name and count no longer what is over and was not near the latest: a storm may go on as others come."""
        for episode in list(storm.episodes):
            member = self._members.get(episode)
            if member is None or (member.closed and not self._near(member, latest)):
                storm.episodes.remove(episode)
                storm.size -= 1
                self._drop(episode)

    def _measure(self, measurement: Measurement) -> list[StormView]:
        """Follow how bad a member is; return its storm if it now seems to have begun elsewhere, or is another one."""
        member = self._members.get(measurement.episode)
        if member is None or member.closed or not member.onset or measurement.score <= WORSE * member.severity:
            return []
        much_worse = measurement.score >= MUCH_WORSE * max(member.severity, LEAST_SEVERITY)
        member.severity = measurement.score
        if much_worse:
            member.worse_us = max(member.worse_us, measurement.start_us)
            return self._flare(measurement.episode, member)
        storm = self._storms.get(member.storm)
        if storm is None or measurement.episode not in storm.episodes:
            return []
        former = storm.origin
        views = self._view(member.storm, storm, closed=False)
        return views if storm.origin != former else []

    def _close(self, episode: Episode) -> list[StormView]:
        member = self._members.get(episode.episode)
        if member is None or member.closed:
            return []
        member.closed = True
        storm = self._storms.get(member.storm)
        if storm is None:
            self._drop(episode.episode)
            return []
        storm.open -= 1
        self._episodes.pop(member.entity, None)
        if episode.episode not in storm.episodes:
            self._drop(episode.episode)
        if storm.open:
            return []
        views = self._view(member.storm, storm, closed=True)
        self._forget(member.storm)
        return views

    def _forget(self, name: str) -> None:
        for episode in self._storms.pop(name).episodes:
            self._drop(episode)

    def _gather(self, episode: str, member: _Member) -> list[StormView]:
        """Join an episode, and what belongs to it, to the earliest storm among them, or to a new one.

        Return the last word on each other storm among them: it goes on as part of the earliest.
        """
        found = list(islice(self._together(episode, member), self._settings.member_limit))
        met = dict.fromkeys(one.storm for _, one in found if one.storm in self._storms)
        name, *later = sorted(met, key=lambda storm: self._storms[storm].opened_us) or [""]
        if not name:
            if not self._is_storm(len(found)):
                return []
            name = derive(self._loop, "storm", episode)
            opened_us = min(one.opened_us for _, one in found)
            self._storms[name] = _Storm(opened_us=opened_us, episodes=[], size=0, open=0)
            if len(self._storms) > self._settings.storm_limit:
                self._forget(next(iter(self._storms)))
        ended = [view for one in later for view in self._merge(one, name)]
        for joining, one in found:
            if one.storm not in self._storms:
                self._join(joining, one, name)
        return ended

    def _merge(self, later: str, name: str) -> list[StormView]:
        """Make all members of a later storm, the unnamed ones too, members of another; return the last word on it."""
        ended = self._storms.pop(later)
        view = self._view(later, ended, closed=True, alias_of=name)
        named = dict.fromkeys(ended.episodes)
        crowd = self._members if ended.size > len(named) else ()
        for episode in [*named, *(one for one in crowd if one not in named)]:
            member = self._members.get(episode)
            if member is not None and member.storm == later:
                self._join(episode, member, name)
        return view

    def _join(self, episode: str, member: _Member, name: str) -> None:
        """Name an episode among the members of a storm; of one entity the one that is open, else the later one."""
        storm = self._storms[name]
        member.storm = name
        storm.open += not member.closed
        for place, other in enumerate(storm.episodes):
            one = self._members.get(other)
            if one is not None and one.entity == member.entity:
                stays = (not member.closed, member.opened_us) >= (not one.closed, one.opened_us)
                storm.episodes[place] = episode if stays else other
                storm.open -= not (one.closed if stays else member.closed)
                self._drop(other if stays else episode)
                self._episodes[member.entity] = storm.episodes[place]
                return
        storm.size += 1
        if len(storm.episodes) < self._settings.member_limit:
            storm.episodes.append(episode)

    def _together(self, episode: str, member: _Member) -> Iterator[tuple[str, _Member]]:
        """Yield the episode and the open ones that belong to it, nearest first."""
        if not self._calls:
            latest = reversed(self._members.items())
            yield episode, member
            yield from (
                (other, one)
                for other, one in islice(latest, 4 * self._settings.member_limit)
                if other != episode and not one.closed and self._near(member, one)
            )
            return
        reached = {member.entity: None}
        queue = [(episode, member)]
        for name, one in queue:
            yield name, one
            for linked in self._links.get(one.entity, {}):
                other = self._episodes.get(linked)
                if other is not None and linked not in reached and self._near(member, self._members[other]):
                    reached[linked] = None
                    queue.append((other, self._members[other]))

    def _near(self, one: _Member, other: _Member) -> bool:
        apart_us = max(one.opened_us - other.worse_us, other.opened_us - one.worse_us)
        return apart_us <= self._settings.window_us

    def _is_storm(self, size: int) -> bool:
        if self._calls:
            return size >= self._settings.least
        return size >= max(self._settings.least, LEAST_UNLINKED) and _tail(self._order.expected(), size) < CHANCE

    def _view(self, name: str, storm: _Storm, *, closed: bool, alias_of: str | None = None) -> list[StormView]:
        known = [one for one in storm.episodes if one in self._members]
        if not known:
            return []
        members = self._ranked(known)
        storm.origin = members[0].entity
        return [
            StormView(
                storm=name,
                opened_us=storm.opened_us,
                size=storm.size,
                closed=closed,
                alias_of=alias_of,
                members=members,
            )
        ]

    def _ranked(self, episodes: list[str]) -> tuple[StormMember, ...]:
        """Return the members, likely origin first; of equals the one that opened, then came, first."""
        members = [self._members[episode] for episode in episodes]
        # how many deviations tells how steady an entity used to be, too: so their order of magnitude counts
        strengths = [math.log1p(max(member.severity, LEAST_SEVERITY)) for member in members]
        opened_us = [member.opened_us for member in members]
        worse_us = [member.worse_us for member in members]
        actionable = np.array([not self._actionable or member.entity in self._actionable for member in members])
        calls = dict(self._calls_among([member.entity for member in members]))
        blame = blame_of(strengths, opened_us, worse_us, calls, lag_us=self._settings.window_us)
        shares = shares_of(blame, strengths, actionable)
        # of two ways that trouble may have come, it is the one that others came too
        begun = np.cbrt(blame) * shares
        behind = np.where(begun.any(axis=1), begun.argmax(axis=1), np.arange(len(members)))
        order = sorted(range(len(members)), key=lambda place: (-shares[place], opened_us[place], place))
        return tuple(
            StormMember(
                entity=members[place].entity,
                episode=episodes[place],
                share=float(shares[place]),
                behind=members[behind[place]].entity,
                opened_us=opened_us[place],
                severity=members[place].severity,
                actionable=bool(actionable[place]),
            )
            for place in order
        )

    def _calls_among(self, entities: list[str]) -> Iterable[tuple[tuple[int, int], float]]:
        if not self._calls:
            yield from self._order.among(entities)
            return
        for row, caller in enumerate(entities):
            called = self._calls.get(caller, {})
            yield from (((row, column), 1.0) for column, callee in enumerate(entities) if callee in called)


def _tail(mean: float, count: int) -> float:
    """Return the probability that a Poisson number of this mean is at least `count`."""
    below, term = 0.0, math.exp(-mean)
    for number in range(count):
        below += term
        term *= mean / (number + 1)
    return 1.0 - below
