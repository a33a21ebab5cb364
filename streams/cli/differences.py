"""What other settings would have made of a run, for people."""

from collections.abc import Sequence

import click

from streams.cli.options import print_table, utc
from streams.operate.unknowns import unknowns
from streams.operate.what_if import WhatIf
from streams.settings import NAMES, PURPOSES

COLUMNS = ["profile", "actions", "added", "removed", "asked", "effect on rewards", "not told", "cost"]


def print_difference(found: WhatIf, *, show: int) -> None:
    """Print which verdicts change, by kind and one by one, and what that was worth."""
    _print_missing(found)
    click.echo(
        f"{found.proposals} recorded proposals under {found.name}: {len(found.changes)} verdicts change; "
        f"{found.actions_before} actions become {found.actions_after} ({len(found.added)} added, "
        f"{len(found.removed)} removed, {found.moved} at another time); people are asked {found.asked_after} times "
        f"instead of {found.asked_before}"
    )
    if found.differs:
        _print_changes(found, show)
        cost = f"{found.cost_before:.2f} becomes {found.cost_after:.2f}"
        click.echo(f"effect on the sum of rewards: {_effect(found)}; cost of actions: {cost}")
    _print_reservations([found])


def print_profiles(found: Sequence[WhatIf], *, in_force: str, written: Sequence[str]) -> None:
    """Print one line per profile below what is recorded."""
    first = found[0]
    _print_missing(first)
    before = [str(first.actions_before), "-", "-", str(first.asked_before), "-", "-", f"{first.cost_before:.2f}"]
    rows = [["as recorded", *before], *(_row(one, in_force=in_force) for one in found)]
    print_table(f"{first.proposals} recorded proposals under each profile", COLUMNS, rows)
    for name in NAMES:
        click.echo(f"  {name}: {PURPOSES[name]}")
    if any(one.differs for one in found if one.name == in_force):
        click.echo(f"the run was not made under this file and {in_force}: what is recorded differs from that line")
    if written:
        click.echo(f"written out in the file, so the same under each: {', '.join(written)}")
    _print_reservations(found)


def _print_changes(found: WhatIf, show: int) -> None:
    kinds = [[str(number), before, after] for before, after, number in found.kinds]
    print_table("verdicts that change, by reason", ["proposals", "recorded", "under the other settings"], kinds)
    rows = [
        [utc(one.time_us), one.proposal[:12], one.entity, one.action, one.pattern[:12], one.before, one.after]
        for one in found.changes[:show]
    ]
    columns = ["proposed", "proposal", "entity", "action", "pattern", "recorded", "other"]
    print_table(f"the first {len(rows)} of {len(found.changes)}", columns, rows)


def _row(found: WhatIf, *, in_force: str) -> list[str]:
    return [
        f"{found.name} (in force)" if found.name == in_force else found.name,
        str(found.actions_after),
        f"+{len(found.added)}",
        f"-{len(found.removed)}",
        str(found.asked_after),
        _effect(found),
        str(found.effect.unknown),
        f"{found.cost_after:.2f}",
    ]


def _effect(found: WhatIf) -> str:
    effect = found.effect
    if not effect.known:
        return "not told by the log" if effect.unknown else "none"
    return f"{effect.value:+.2f} ({effect.low:+.2f} to {effect.high:+.2f})"


def _print_reservations(found: Sequence[WhatIf]) -> None:
    lines = unknowns(found)
    if lines:
        click.echo("the log cannot tell:")
    for line in lines:
        click.echo(f"  - {line}")
    sections = sorted({section for one in found for section in one.not_replayed})
    if sections:
        click.echo(f"differ too, but decide nothing at the gate, and are not replayed: {', '.join(sections)}")


def _print_missing(found: WhatIf) -> None:
    """Say first what a record lacks: all numbers are about the rest."""
    if found.missing:
        click.echo(f"MISSING: {found.missing}")
