"""A recorded run under other settings: what its gate would have decided otherwise, and what that was worth."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import median
from typing import Protocol

import msgspec

from schemas.events import Experience, JournalEntry, Outcome, Verdict
from schemas.raw import RawBatch
from streams.app import make_other_gate
from streams.learners.logged_rewards import LoggedRewards
from streams.loop.role import Decode
from streams.operate.story import Reader
from streams.replay.decisions import Change, Decision, Decisions, difference
from streams.replay.effect import Effect, effect_of, logged_rewards
from streams.replay.what_if import MakeGate, OtherGate, Recorded, follow
from streams.settings import Settings

DECIDING = ("gate", "levels", "actions")
"""Sections by which the gate decides: what else differs is not replayed."""
ENDED = ("succeeded", "failed", "unknown")


class Run(Reader, Protocol):
    """What a run left behind: on Kafka, in memory, or in a folder."""

    def read_range(self, topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        """Return the committed records of the offsets `start` (included) to `stop`; ranges come in rising order."""
        ...


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """What other settings would have made of a run's proposals. Costs are in units of reward, by what is declared.

    `masked`: proposals chosen while limits in force kept some action from being chosen; `again`: actions removed only
    for a time, which the loop would have proposed anew; `assumed`: actions whose end nobody recorded; `not_replayed`:
    sections that differ, and decide nothing at the gate. `missing` says what the record lacks.
    """

    name: str
    proposals: int
    actions_before: int
    actions_after: int
    added: tuple[Decision, ...]
    removed: tuple[Decision, ...]
    moved: int
    asked_before: int
    asked_after: int
    kinds: list[tuple[str, str, int]]
    changes: tuple[Change, ...]
    effect: Effect
    cost_before: float
    cost_after: float
    masked: int
    again: int
    assumed: int
    not_replayed: tuple[str, ...]
    missing: str

    @property
    def differs(self) -> bool:
        """Whether any verdict would have been another one."""
        return bool(self.changes)


def what_if(
    run: Run, settings: Settings, others: Mapping[str, Settings], *, make_decode: Callable[[], Decode]
) -> tuple[WhatIf, ...]:
    """Let the gate of each of the other settings decide a run's proposals, in one pass over its journal.

    `settings` are those of the run. Raises `BrokerError` where Kafka does not answer.
    """
    recorded = Decisions(event for _, event in run.events("verdicts") if isinstance(event, Verdict))
    known = Recorded(
        actions=frozenset(one.issued for one in recorded.of.values() if one.issued is not None),
        usual_us=_usual_us(run, recorded),
    )
    loop = settings.loop.name
    gates = {name: OtherGate(_maker(other, loop), make_decode(), known, loop=loop) for name, other in others.items()}
    missing = follow(list(gates.values()), _journal(run), run.read_range)
    rewards = logged_rewards(event for _, event in run.events("experience") if isinstance(event, Experience))
    return tuple(
        _judged(name, gates[name], recorded, rewards, settings=settings, other=other, missing=missing)
        for name, other in others.items()
    )


def _maker(other: Settings, loop: str) -> MakeGate:
    return lambda settings_hash, decode: make_other_gate(other, loop=loop, settings_hash=settings_hash, decode=decode)


def _judged(
    name: str,
    gate: OtherGate,
    recorded: Decisions,
    rewards: LoggedRewards,
    *,
    settings: Settings,
    other: Settings,
    missing: str,
) -> WhatIf:
    found = difference(recorded.of, gate.decisions.of, moot=gate.moot)
    seen = [recorded.of[key] for key in gate.decisions.of if key in recorded.of]
    after = gate.decisions.of
    return WhatIf(
        name=name,
        proposals=found.proposals,
        actions_before=found.actions_before,
        actions_after=found.actions_after,
        added=found.added,
        removed=found.removed,
        moved=found.moved,
        asked_before=found.asked_before,
        asked_after=found.asked_after,
        kinds=found.kinds(),
        changes=found.changes,
        effect=effect_of(found, rewards),
        cost_before=_cost(settings, (one for one in seen if one.issued is not None)),
        cost_after=_cost(other, (after[one.proposal] for one in seen if after[one.proposal].issued is not None)),
        masked=sum(one.masked for one in seen),
        again=sum(after[one.proposal].may_ask_again for one in found.removed),
        assumed=gate.assumed,
        not_replayed=_not_replayed(settings, other),
        missing=missing,
    )


def _cost(settings: Settings, acted: Iterable[Decision]) -> float:
    """Return what actions cost as declared; one that is not declared any more costs nothing here."""
    declared = settings.actions
    return sum(declared[one.action].cost for one in acted if one.action in declared)


def _not_replayed(settings: Settings, other: Settings) -> tuple[str, ...]:
    """Return the sections that matter to decisions and differ, but are not the gate's."""
    mine, theirs = (msgspec.json.decode(one.canonical) for one in (settings, other))
    for sections in (mine, theirs):
        del sections["loop"]["profile"]
    return tuple(name for name in mine if name not in DECIDING and mine[name] != theirs.get(name))


def _usual_us(run: Run, recorded: Decisions) -> dict[str, int]:
    """Return how long the recorded actions of each name took from being let through to their end: the median."""
    issued = {one.issued: one for one in recorded.of.values() if one.issued is not None}
    took_us: dict[str, dict[str, int]] = defaultdict(dict)
    for _, event in run.events("outcomes"):
        if isinstance(event, Outcome) and event.state in ENDED and event.action in issued:
            decision = issued[event.action]
            ended_us = event.ended_us or event.time_us
            took_us[decision.action].setdefault(event.action, max(0, ended_us - decision.issued_us))
    return {action: round(median(times.values())) for action, times in took_us.items()}


def _journal(run: Run) -> Iterator[JournalEntry]:
    for _, event in run.events("journal-gate"):
        if isinstance(event, JournalEntry):
            yield event
