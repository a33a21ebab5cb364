"""Storms: entities that become abnormal together, and which of them it likely began with."""

import itertools
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from schemas.events import Census, Episode, Event, Measurement, StormMember
from schemas.ids import derive
from streams.loop.recognise.graph_settings import GraphSettings
from streams.loop.recognise.origins import LEAST_SEVERITY, Member, Origins

LEAST_UNLINKED = 3
WORSE = 1.1
"""A member is ranked anew when it is so many times as bad as when it was ranked last."""
MUCH_WORSE = 2.0
"""So many times as bad, an episode is as one that opens: what opens then belongs together with it."""


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
    members: list[tuple[str, Member]]
    storms: list[tuple[str, _Storm]]
    episodes: list[tuple[str, str]]
    origins: bytes


class Storms:
    """Follows the open episodes of all entities, and joins to storms those that belong together.

    With declared calls, an episode belongs to those of the entities that it calls or that call it, directly or by way
    of other abnormal ones, if they opened, or got much worse, within the window; else to all that did so. What belongs
    to two storms makes them one. A storm is told at the onset of each member that it names, before that member is
    decided, when one got much worse or another looks like the origin, and when the last of its episodes closed.
    """

    def __init__(self, settings: GraphSettings, *, loop: str) -> None:
        self._settings = settings
        self._loop = loop
        self._origins = Origins(settings)
        self._links: dict[str, dict[str, None]] = {}
        for caller, callees in settings.calls.items():
            for callee in callees:
                self._links.setdefault(caller, {})[callee] = None
                self._links.setdefault(callee, {})[caller] = None
        self._members: OrderedDict[str, Member] = OrderedDict()
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
            case Census():
                self._origins.watch(event.time_us)
            case _:
                pass
        return []

    def snapshot(self) -> bytes:
        """Return all storms; equal states give equal bytes."""
        return msgspec.msgpack.encode(
            _State(
                members=list(self._members.items()),
                storms=list(self._storms.items()),
                episodes=sorted(self._episodes.items()),
                origins=self._origins.snapshot(),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace all storms by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._members, self._storms = OrderedDict(state.members), OrderedDict(state.storms)
        self._episodes = dict(state.episodes)
        self._origins.restore(state.origins)

    def _admit(self, episode: Episode) -> Member:
        member = self._members.get(episode.episode)
        if member is None:
            member = Member(
                entity=episode.entity,
                opened_us=episode.opened_us,
                worse_us=episode.opened_us,
                severity=episode.severity,
            )
            self._members[episode.episode] = member
            self._episodes[episode.entity] = episode.episode
            if len(self._members) > self._settings.open_limit:
                self._give_up(next(iter(self._members)))
        return member

    def _give_up(self, episode: str) -> None:
        """Follow an episode no longer: its storm ends without it. If its onset comes, that is one of a new member."""
        member = self._members[episode]
        storm = self._storms.get(member.storm)
        if storm is not None:
            storm.size -= 1
            storm.open -= not member.closed
            if episode in storm.episodes:
                storm.episodes.remove(episode)
            if not storm.open:
                self._forget(member.storm)
        self._drop(episode)

    def _drop(self, episode: str) -> None:
        member = self._members.pop(episode, None)
        if member is not None:
            self._release(episode, member)

    def _release(self, episode: str, member: Member) -> None:
        """Let an entity's latest episode be none, if it is this one."""
        if self._episodes.get(member.entity) == episode:
            del self._episodes[member.entity]

    def _onset(self, episode: Episode) -> list[StormView]:
        member = self._admit(episode)
        if member.onset:
            return []
        member.onset, member.severity = True, episode.severity
        self._origins.watch(episode.time_us)
        self._origins.begin(member)
        return self._flare(episode.episode, member)

    def _flare(self, episode: str, member: Member) -> list[StormView]:
        """Return what there is to tell when an episode came to its onset, or got much worse."""
        ended = self._gather(episode, member)
        storm = self._storms.get(member.storm)
        if storm is None or not (ended or episode in storm.episodes):
            return []
        self._leave_behind(storm, member)
        return [*ended, *self._view(member.storm, storm, closed=False)]

    def _leave_behind(self, storm: _Storm, latest: Member) -> None:
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
        if member.onset:
            self._origins.end(member)
        storm = self._storms.get(member.storm)
        if storm is None:
            self._drop(episode.episode)
            return []
        storm.open -= 1
        self._release(episode.episode, member)
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

    def _gather(self, episode: str, member: Member) -> list[StormView]:
        """Join an episode, and what belongs to it, to the earliest storm among them, or to a new one.

        Return the last word on each other storm among them: it goes on as part of the earliest.
        """
        found = list(itertools.islice(self._together(episode, member), self._settings.member_limit))
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
        """Make all members of a later storm, the unnamed ones too, members of another, where those count too that are
        over and no longer known; return the last word on it.
        """
        ended = self._storms.pop(later)
        view = self._view(later, ended, closed=True, alias_of=name)
        named = dict.fromkeys(ended.episodes)
        crowd = self._members if ended.size > len(named) else ()
        self._storms[name].size += ended.size
        for episode in [*named, *(one for one in crowd if one not in named)]:
            member = self._members.get(episode)
            if member is not None and member.storm == later:
                self._storms[name].size -= 1
                self._join(episode, member, name)
        return view

    def _join(self, episode: str, member: Member, name: str) -> None:
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
                if not (member.closed if stays else one.closed):
                    self._episodes[member.entity] = storm.episodes[place]
                return
        storm.size += 1
        if len(storm.episodes) < self._settings.member_limit:
            storm.episodes.append(episode)

    def _together(self, episode: str, member: Member) -> Iterator[tuple[str, Member]]:
        """Yield the episode and the open ones that belong to it, nearest first."""
        if not self._settings.calls:
            latest = reversed(self._members.items())
            yield episode, member
            yield from (
                (other, one)
                for other, one in itertools.islice(latest, 4 * self._settings.member_limit)
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

    def _near(self, one: Member, other: Member) -> bool:
        times_us = itertools.product((one.opened_us, one.worse_us), (other.opened_us, other.worse_us))
        return min(abs(time_us - other_us) for time_us, other_us in times_us) <= self._settings.window_us

    def _is_storm(self, size: int) -> bool:
        if self._settings.calls:
            return size >= self._settings.least
        return size >= max(self._settings.least, LEAST_UNLINKED) and self._origins.is_unusual(size)

    def _view(self, name: str, storm: _Storm, *, closed: bool, alias_of: str | None = None) -> list[StormView]:
        known = [(one, self._members[one]) for one in storm.episodes if one in self._members]
        if not known:
            return []
        members = self._origins.ranked(known)
        storm.origin = members[0].entity
        told = StormView(
            storm=name, opened_us=storm.opened_us, size=storm.size, closed=closed, alias_of=alias_of, members=members
        )
        return [told]
