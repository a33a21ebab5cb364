"""Which of the open episodes belong together."""

import itertools
from collections.abc import Iterator

from streams.learners.onset_rate import OnsetRate
from streams.loop.recognise.graph_settings import GraphSettings
from streams.loop.recognise.members import Member, Members
from streams.loop.recognise.origins import Origins

CROWD = 4
"""As many members for each that a storm names are looked at where no calls are declared, the latest ones."""
Found = tuple[str, Member]


class Together:
    """Says what an episode belongs together with: among what opened, or got much worse, within the window of it.

    With declared calls: the episodes of the entities that it calls or that call it, directly or by way of other such
    ones. Else those of the entities that it was learned to follow or to be followed by; and, where so many came closer
    together than chance would have it, all of these.
    """

    def __init__(self, settings: GraphSettings, *, members: Members, origins: Origins) -> None:
        self._settings = settings
        self._members = members
        self._origins = origins
        self._rate = OnsetRate(window_us=settings.window_us)
        self._links: dict[str, dict[str, None]] = {}
        for caller, callees in settings.calls.items():
            for callee in callees:
                self._links.setdefault(caller, {})[callee] = None
                self._links.setdefault(callee, {})[caller] = None

    def watch(self, time_us: int) -> None:
        """Note that entities were watched at this time, whether or not any became abnormal."""
        self._rate.watch(time_us)

    def begin(self, time_us: int) -> None:
        """Learn that an entity became abnormal, or much worse long after that; it was heard of at this time."""
        self._rate.learn(time_us)

    def measure(self, window_us: int) -> None:
        """Learn how long a window of an episode is."""
        self._rate.measure(window_us)

    def of(self, episode: str, member: Member) -> list[Found]:
        """Return the episode, and what belongs together with it, nearest first: as many as a storm names."""
        found = self._called(episode, member) if self._settings.calls else self._unlinked(episode, member)
        return list(itertools.islice(found, self._settings.member_limit))

    def are_near(self, one: Member, other: Member) -> bool:
        """Return whether two opened, or got much worse, within the window of each other."""
        times_us = itertools.product((one.opened_us, one.worse_us), (other.opened_us, other.worse_us))
        return min(abs(time_us - other_us) for time_us, other_us in times_us) <= self._settings.window_us

    def snapshot(self) -> bytes:
        """Return what was learned; equal states give equal bytes."""
        return self._rate.snapshot()

    def restore(self, snapshot: bytes) -> None:
        """Replace what was learned by what `snapshot` returned."""
        self._rate.restore(snapshot)

    def _called(self, episode: str, member: Member) -> Iterator[Found]:
        reached = {member.entity: None}
        queue = [(episode, member)]
        for name, one in queue:
            yield name, one
            for linked in self._links.get(one.entity, {}):
                other = self._members.latest(linked)
                if other is not None and linked not in reached and self.are_near(member, self._members[other]):
                    reached[linked] = None
                    queue.append((other, self._members[other]))

    def _unlinked(self, episode: str, member: Member) -> Iterator[Found]:
        yield episode, member
        crowd = [
            (name, one, time_us)
            for name, one in itertools.islice(self._members.newest(), CROWD * self._settings.member_limit)
            if name != episode and not one.closed
            for time_us in [_nearest(one, member.worse_us)]
            if abs(time_us - member.worse_us) <= self._settings.window_us
        ]
        burst = self._rate.burst(member.worse_us, [time_us for *_, time_us in crowd])
        for name, one, time_us in crowd:
            in_burst = burst is not None and burst[0] <= time_us <= burst[1]
            if in_burst or self._origins.is_ordered(member.entity, one.entity):
                yield name, one


def _nearest(member: Member, time_us: int) -> int:
    """Return when a member opened or got much worse, whichever is nearer."""
    opened_us, worse_us = member.opened_us, member.worse_us
    return opened_us if abs(opened_us - time_us) <= abs(worse_us - time_us) else worse_us
