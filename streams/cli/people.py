"""`flyball approvals, approve, reject, propose`: what people decide, each with an SSH key of their own."""

import sys
from pathlib import Path

import click

from schemas.errors import SettingsError
from schemas.events import Verdict
from streams.cli.options import (
    config_option,
    json_option,
    key_option,
    now_us,
    orders_of,
    print_json,
    print_table,
    reader_of,
    utc,
)
from streams.loop.durations import parse_duration
from streams.operate.escalations import Escalation, first_verdict, open_escalations, standing
from streams.operate.loop_place import LoopPlace
from streams.operate.subject import subject_of

ANSWER_S = 10.0
"""How long the gate is waited for."""
SKEW_US = 60_000_000
"""Clocks of broker and caller differ by less."""


@click.command()
@config_option
@json_option
def approvals(config: Path, *, as_json: bool) -> None:
    """List escalations that wait for people and that have not expired, and who approved them so far."""
    found = _waiting(LoopPlace.open(config))
    if as_json:
        print_json(found)
        return
    rows = [
        [p.id[:12], p.action, p.entity, p.pattern, p.by, utc(one.until_us), one.standing]
        for one in found
        for p in (one.proposal,)
    ]
    columns = ["id", "action", "entity", "pattern", "by", "expires", "standing"]
    print_table("waiting for people", columns, rows)


@click.command()
@config_option
@click.argument("escalation")
@click.option("--reason", default="", help="Kept with the answer.")
@key_option
def approve(config: Path, escalation: str, reason: str, key: Path | None) -> None:
    """Approve an escalation by (the beginning of) its id; all checks run again before anything happens.

    You sign, with your SSH key, the very action and its parameters. Exit 1 when the gate does not answer within 10 s.
    """
    _answer(config, escalation, key, reason, approve=True)


@click.command()
@config_option
@click.argument("escalation")
@click.option("--reason", default="", help="Kept with the answer.")
@key_option
def reject(config: Path, escalation: str, reason: str, key: Path | None) -> None:
    """Reject an escalation by (the beginning of) its id; that ends it, whoever approved before."""
    _answer(config, escalation, key, reason, approve=False)


@click.command()
@config_option
@click.argument("entity")
@click.argument("action")
@click.option("--reason", required=True, help="Kept with the proposal, and shown to who approves it.")
@click.option("--for", "valid", default="5m", show_default=True, help="How long it may wait to be decided.")
@key_option
def propose(config: Path, entity: str, action: str, *, reason: str, valid: str, key: Path | None) -> None:
    """Propose ACTION on ENTITY yourself, signed with your SSH key. The gate checks it like any other.

    Exit 1 unless it is allowed, or waits for another person's approval.
    """
    place = LoopPlace.open(config)
    if action not in place.settings.actions:
        raise SettingsError([f"expected one of {', '.join(sorted(place.settings.actions))}, got {action!r}"])
    reader, began_us = reader_of(place), now_us()
    about = subject_of(reader, entity, now_us=began_us)
    written = orders_of(place, key=key).propose(action, about, reason=reason, valid_us=parse_duration(valid))
    click.echo(f"proposed by {written.by}: {action} on {entity} ({written.id[:12]})")
    verdict = first_verdict(
        reader, lambda one: one.proposal.id == written.id, since_us=began_us - SKEW_US, timeout_s=ANSWER_S
    )
    _tell(verdict)
    if verdict is None or verdict.verdict not in ("allow", "escalate"):
        sys.exit(1)


def _waiting(place: LoopPlace) -> list[Escalation]:
    window_us = place.settings.gate.approval_window_us
    return open_escalations(reader_of(place), now_us=now_us(), window_us=window_us)


def _answer(config: Path, escalation: str, key: Path | None, reason: str, *, approve: bool) -> None:
    place = LoopPlace.open(config)
    found = [one for one in _waiting(place) if one.proposal.id.startswith(escalation)]
    if len(found) != 1:
        raise SettingsError([f"expected the id of one open escalation, {escalation!r} fits {len(found)}"])
    (one,), began_us = found, now_us()
    written = orders_of(place, key=key).answer(one, approve=approve, reason=reason)
    parameters = "".join(f" {name}={value}" for name, value in sorted(one.final.parameters.items()))
    dry_run = ", dry run" if one.final.dry_run else ""
    said = "approved" if approve else "rejected"
    click.echo(f"{said} by {written.person}: {one.final.action} on {one.final.entity}{parameters}{dry_run}")
    verdict = first_verdict(
        reader_of(place), lambda told: told.approval == written.id, since_us=began_us - SKEW_US, timeout_s=ANSWER_S
    )
    _tell(verdict)
    if verdict is None:
        sys.exit(1)


def _tell(verdict: Verdict | None) -> None:
    """Say what the gate made of it."""
    if verdict is None:
        click.echo(f"the gate has not answered within {ANSWER_S:.0f} s; `flyball status` tells whether it runs")
        return
    remedy = next((check.remedy for check in verdict.checks if check.name == verdict.decided_by), None)
    click.echo(f"gate: {standing(verdict)}" + (f"; {remedy}" if remedy and verdict.verdict != "allow" else ""))
