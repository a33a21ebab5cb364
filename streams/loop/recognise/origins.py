"""Which member of a storm its trouble likely began at, by declared calls or by what was learned of the entities."""

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from schemas.events import StormMember
from streams.learners.onset_order import OnsetOrder
from streams.learners.origins import blame_of, shares_of
from streams.learners.usual_severity import UsualSeverity
from streams.loop.recognise.graph_settings import GraphSettings

LEAST_SEVERITY = 0.5
"""What an episode counts at least: one may open on surprise alone, with no metric far off."""
CHANCE = 1e-3
"""Entities that nothing links are a storm when so many at once are less likely than this."""


class Member(msgspec.Struct, array_like=True):
    """An episode as a storm sees it."""

    entity: str
    opened_us: int
    worse_us: int
    """When it last got much worse: when it opened, or later."""
    severity: float
    onset: bool = False
    closed: bool = False
    storm: str = ""


class _State(msgspec.Struct, array_like=True):
    order: bytes
    usual: bytes


class Origins:
    """Ranks the members of a storm, and learns from all episodes what it ranks by.

    What is not declared is learned: the calls from whose trouble comes first, and how bad an entity usually is.
    """

    def __init__(self, settings: GraphSettings) -> None:
        self._calls = {caller: frozenset(callees) for caller, callees in settings.calls.items()}
        self._actionable = frozenset(settings.actionable)
        self._lag_us = settings.window_us
        self._order = OnsetOrder(window_us=settings.window_us, limit=settings.order_limit)
        self._usual = UsualSeverity(limit=settings.order_limit)

    def watch(self, time_us: int) -> None:
        """Note that entities were watched at this time, whether or not any became abnormal."""
        if not self._calls:
            self._order.watch(time_us)

    def begin(self, member: Member) -> None:
        """Learn from an episode at its onset."""
        if not self._calls:
            self._order.learn(member.entity, member.opened_us)

    def end(self, member: Member) -> None:
        """Learn from an episode that is over."""
        self._usual.learn(member.entity, member.severity)

    def is_unusual(self, count: int) -> bool:
        """Return whether chance hardly ever brings so many onsets within a window."""
        return _tail(self._order.expected(), count) < CHANCE

    def ranked(self, members: Sequence[tuple[str, Member]]) -> tuple[StormMember, ...]:
        """Return members (by episode), likely origin first; of equals the one that opened, then came, first."""
        # how many deviations tells how steady an entity used to be, too: so their order of magnitude counts, and
        # how far it is beyond that of its other episodes
        ones = [member for _, member in members]
        strengths = [self._usual.strength(one.entity, max(one.severity, LEAST_SEVERITY)) for one in ones]
        opened_us = [one.opened_us for one in ones]
        actionable = np.array([not self._actionable or one.entity in self._actionable for one in ones])
        calls = dict(self._calls_among([one.entity for one in ones]))
        blame = blame_of(strengths, opened_us, [one.worse_us for one in ones], calls, lag_us=self._lag_us)
        shares = shares_of(blame, strengths, actionable)
        # of two ways that trouble may have come, it is the one that others came too; by the cube root of the blame,
        # since each caller on the way from far keeps some of that
        begun = np.cbrt(blame) * shares
        behind = np.where(begun.any(axis=1), begun.argmax(axis=1), np.arange(len(ones)))
        return tuple(
            StormMember(
                entity=ones[place].entity,
                episode=members[place][0],
                share=float(shares[place]),
                behind=ones[behind[place]].entity,
                opened_us=opened_us[place],
                severity=ones[place].severity,
                actionable=bool(actionable[place]),
            )
            for place in sorted(range(len(ones)), key=lambda place: (-shares[place], opened_us[place], place))
        )

    def snapshot(self) -> bytes:
        """Return what was learned; equal states give equal bytes."""
        return msgspec.msgpack.encode(_State(order=self._order.snapshot(), usual=self._usual.snapshot()))

    def restore(self, snapshot: bytes) -> None:
        """Replace what was learned by what `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._order.restore(state.order)
        self._usual.restore(state.usual)

    def _calls_among(self, entities: list[str]) -> Iterator[tuple[tuple[int, int], float]]:
        """Yield (row of the caller, row of the callee) and a trust above 0, at most 1."""
        if not self._calls:
            yield from self._order.among(entities)
            return
        for row, caller in enumerate(entities):
            called = self._calls.get(caller, frozenset())
            yield from (((row, column), 1.0) for column, callee in enumerate(entities) if callee in called)


def _tail(mean: float, count: int) -> float:
    """Return the probability that a Poisson number of this mean is at least `count`."""
    below, term = 0.0, math.exp(-mean)
    for number in range(count):
        below += term
        term *= mean / (number + 1)
    return 1.0 - below
