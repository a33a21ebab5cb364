"""A recorded run under other settings: what its gate would have decided otherwise, and what that was worth."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import dropwhile

import msgspec

from schemas.errors import RecoveryError
from schemas.events import Experience, Verdict
from streams.app import make_other_gate
from streams.learners.logged_rewards import LoggedRewards
from streams.loop.role import Decode
from streams.operate.recorded_gate import Run, beginning, journal, orders, usual_us
from streams.replay.decisions import Change, Decision, Decisions, decision_of, difference
from streams.replay.effect import Effect, effect_of, logged_rewards
from streams.replay.following import Beginning, Followed, follow
from streams.replay.what_if import MakeGate, OtherGate, Recorded
from streams.settings import Settings

DECIDING = ("gate", "levels", "actions")
"""Sections by which the gate decides: what else differs is not replayed."""
DONE_BY = ("parameters", "dry_run", "cost")
"""What an action does and is worth: with other values the recorded outcomes and rewards are not its own."""


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """What other settings would have made of a run's proposals. Costs are in units of reward, by what is declared.

    `silent`: questions to people that only the other settings left without an answer; `masked`: proposals chosen while
    limits in force kept some action from being chosen; `again`: actions removed only for a time, which the loop would
    have proposed anew; `assumed`: actions whose end nobody recorded; `done_otherwise`: actions that the other settings
    let do, or cost, something else; `not_replayed`: sections that differ, and decide nothing at the gate. `missing`
    says what the record lacks.
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
    silent: int
    masked: int
    again: int
    assumed: int
    done_otherwise: tuple[str, ...]
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

    `settings` are those of the run. The run may go on meanwhile: what came of it after the last verdict at the first
    look is left out. Raises `BrokerError` where Kafka does not answer, `RecoveryError` where nothing can be compared.
    """
    said = [decision_of(event) for _, event in run.events("verdicts") if isinstance(event, Verdict)]
    issued = {one.issued: one for one in said if one.issued is not None}
    known = Recorded(actions=issued.keys(), usual_us=usual_us(run, issued))
    loop = settings.loop.name
    makers = {name: _maker(other, settings, loop) for name, other in others.items()}
    gates = {name: OtherGate(make, make_decode(), known, loop=loop) for name, make in makers.items()}
    begin = beginning(run)
    until_us = max((one.decided_us for one in said), default=-1)
    followed = _follow(run, list(gates.values()), begin, until_us=until_us)
    recorded = Decisions(one for one in said if one.decided_us <= followed.last_us)
    rewards = logged_rewards(event for _, event in run.events("experience") if isinstance(event, Experience))
    found = tuple(
        _judged(
            name,
            gate,
            recorded,
            rewards,
            settings=settings,
            other=others[name],
            missing=_missing(begin, followed.missing, gate),
        )
        for name, gate in gates.items()
    )
    if said and not any(one.proposals for one in found):
        raise RecoveryError(f"nothing can be compared: {found[0].missing}")
    return found


def _maker(other: Settings, settings: Settings, loop: str) -> MakeGate:
    """Return what makes the other gate; the policy stays the run's, whose proposals these are."""
    mixed = msgspec.structs.replace(other, policy=settings.policy)
    return lambda settings_hash, decode: make_other_gate(mixed, loop=loop, settings_hash=settings_hash, decode=decode)


def _follow(run: Run, gates: Sequence[OtherGate], begin: Beginning | None, *, until_us: int) -> Followed:
    """Let gates take every step from where the record begins."""
    if begin is None:
        return Followed(-1, "")
    if begin.step > 0:
        heard = orders(run, begin)
        for gate in gates:
            gate.begin_late(begin.settings_hash, heard)
    entries = dropwhile(lambda entry: entry.step < begin.step, journal(run))
    return follow(gates, entries, run.read_range, until_us=until_us)


def _missing(begin: Beginning | None, missing: str, gate: OtherGate) -> str:
    """Return what the record lacks, in words."""
    if begin is None:
        return "no step of the gate's journal is there with all its inputs and those of all later ones"
    late = (
        f"the record begins at step {begin.step}: what limits had spent before counts as nothing, levels are as people "
        f"set them, and {len(gate.left_out)} proposals are left out, about episodes that may have opened before"
    )
    return "; ".join(part for part in (late if begin.step > 0 else "", missing) if part)


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
        silent=found.silent,
        masked=sum(one.masked for one in seen),
        again=sum(after[one.proposal].may_ask_again for one in found.removed),
        assumed=gate.assumed,
        done_otherwise=_done_otherwise(settings, other),
        not_replayed=_not_replayed(settings, other),
        missing=missing,
    )


def _cost(settings: Settings, acted: Iterable[Decision]) -> float:
    """Return what actions cost as declared; one that is not declared any more costs nothing here."""
    declared = settings.actions
    return sum(declared[one.action].cost for one in acted if one.action in declared)


def _done_otherwise(settings: Settings, other: Settings) -> tuple[str, ...]:
    """Return the actions that both declare, and that do or cost something else under the other settings."""
    pairs = [
        (name, settings.actions[name], action) for name, action in other.actions.items() if name in settings.actions
    ]
    return tuple(
        name for name, mine, theirs in pairs if any(getattr(mine, key) != getattr(theirs, key) for key in DONE_BY)
    )


def _not_replayed(settings: Settings, other: Settings) -> tuple[str, ...]:
    """Return the sections that matter to decisions and differ, but are not the gate's."""
    mine, theirs = (msgspec.json.decode(one.canonical) for one in (settings, other))
    for sections in (mine, theirs):
        del sections["loop"]["profile"]
    return tuple(name for name in mine if name not in DECIDING and mine[name] != theirs.get(name))
