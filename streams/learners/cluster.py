"""What the registry knows of one pattern besides its template: how often, when, how long, and which episodes."""

from itertools import pairwise

import msgspec

RECENT = 16
Onset = dict[str, tuple[float, ...]]
"""Metric to z of each onset window; all series are of one length, and a metric that is not named stayed at 0."""


class Member(msgspec.Struct, array_like=True):
    """One occurrence: its episode, when it began, where on the template it lies, and what it looked like; as a whole,
    when it is over.
    """

    episode: str
    time_us: int
    position: int
    onset: Onset
    shape_position: int = 0
    shape: Onset = {}

    def moved(self, shift: int, shape_shift: int) -> "Member":
        """Return it further on a template."""
        return Member(
            self.episode,
            self.time_us,
            self.position + shift,
            self.onset,
            self.shape_position + shape_shift,
            self.shape,
        )


class Cluster(msgspec.Struct):
    """One pattern. `members` are its latest occurrences, which a split is decided on (none while it is faded); `shapes`
    tells of how many occurrences the whole shape is known; `most` is the highest `support` that it ever had.
    """

    id: str
    support: int
    first_us: int
    last_us: int
    starts_us: list[int]
    durations_us: list[tuple[str, int]]
    episodes: list[str]
    members: list[Member]
    faded: bool = False
    split_from: str | None = None
    name: str = ""
    shapes: int = 0
    most: int = 0

    @property
    def number(self) -> int:
        """The order in which patterns were found."""
        return int(self.id[2:])

    def count(self, member: Member) -> None:
        """Count one more occurrence."""
        self.support += 1
        self.most = max(self.most, self.support)
        self.last_us = max(self.last_us, member.time_us)
        self.starts_us = [*self.starts_us, member.time_us][-RECENT:]
        self.episodes = [*self.episodes, member.episode][-RECENT:]
        self.members = [*self.members, member][-RECENT:]

    def member(self, episode: str) -> Member | None:
        """Return one of the latest occurrences."""
        return next((member for member in self.members if member.episode == episode), None)

    def take_in(self, other: "Cluster", shift: int, shape_shift: int) -> None:
        """Count the occurrences of another as its own; they lie so many positions further on this template."""
        moved = [member.moved(shift, shape_shift) for member in other.members]
        older, newer = sorted((other, self), key=lambda cluster: cluster.last_us)
        self.durations_us = (older.durations_us + newer.durations_us)[-RECENT:]
        self.episodes = (older.episodes + newer.episodes)[-RECENT:]
        self.support += other.support
        self.most = max(self.most, other.most, self.support)
        self.shapes += other.shapes
        self.first_us = min(self.first_us, other.first_us)
        self.last_us = max(self.last_us, other.last_us)
        self.starts_us = sorted(self.starts_us + other.starts_us)[-RECENT:]
        self.members = sorted(moved + self.members, key=lambda m: (m.time_us, m.episode))[-RECENT:]

    def let_go(self, members: list[Member], identity: str) -> "Cluster":
        """Return a pattern of its own, made of some of the members, which are no longer counted here."""
        gone = {member.episode for member in members}
        times = [member.time_us for member in members]
        durations = [pair for pair in self.durations_us if pair[0] in gone]
        shapes = sum(bool(member.shape) for member in members)
        self.support -= len(members)
        self.shapes -= shapes
        self.members = [member for member in self.members if member.episode not in gone]
        self.episodes = [episode for episode in self.episodes if episode not in gone]
        self.durations_us = [pair for pair in self.durations_us if pair[0] not in gone]
        for time_us in times:
            if time_us in self.starts_us:
                self.starts_us.remove(time_us)
        if self.starts_us:
            self.last_us = max(self.starts_us)
        if len(self.starts_us) == self.support > 0:
            self.first_us = min(self.starts_us)
        return Cluster(
            id=identity,
            support=len(members),
            first_us=min(times),
            last_us=max(times),
            starts_us=sorted(times),
            durations_us=durations,
            episodes=[member.episode for member in members],
            members=members,
            split_from=self.id,
            shapes=shapes,
            most=len(members),
        )

    def period_us(self) -> int | None:
        """Return the median gap between occurrences, where there are enough and three in four are within a quarter."""
        starts = sorted(self.starts_us)
        gaps = sorted(later - earlier for earlier, later in pairwise(starts) if later > earlier)
        if len(gaps) < 5:
            return None
        median = gaps[len(gaps) // 2]
        spread = sorted(abs(gap - median) for gap in gaps)[3 * len(gaps) // 4]
        return median if spread <= median / 4 else None

    def duration_us(self) -> int | None:
        """Return the median time from opening to closing of the latest occurrences."""
        durations = sorted(duration for _, duration in self.durations_us)
        return durations[len(durations) // 2] if durations else None

    def learn_duration(self, episode: str, duration_us: int) -> None:
        """Note how long an episode took, once."""
        if all(known != episode for known, _ in self.durations_us):
            self.durations_us = [*self.durations_us, (episode, duration_us)][-RECENT:]


def new_cluster(identity: str, time_us: int) -> Cluster:
    """Return a pattern without occurrences."""
    return Cluster(
        id=identity,
        support=0,
        first_us=time_us,
        last_us=time_us,
        starts_us=[],
        durations_us=[],
        episodes=[],
        members=[],
    )
