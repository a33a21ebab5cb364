"""`flyball approvals, approve, reject, pause, resume, stop, rearm`: what people decide."""

import sys
import time
from pathlib import Path

import click

from schemas.errors import SettingsError
from schemas.events import Proposal
from streams.cli.options import config_option, json_option, now_us, orders_of, print_json, print_table, reader_of, utc
from streams.loop.durations import parse_duration
from streams.operate.escalations import Escalation, open_escalations
from streams.operate.loop_place import LoopPlace
from streams.operate.status import LoopStatus, read_status

CONFIRM_TIMEOUT_S = 12.0
person_option = click.option("--as", "person", help="Who answers.  [default: the user's name]")


@click.command()
@config_option
@json_option
def approvals(config: Path, *, as_json: bool) -> None:
    """List escalations that nobody has answered and that have not expired."""
    found = _waiting(LoopPlace.open(config))
    if as_json:
        print_json(found)
        return
    rows = [[p.id[:12], p.action, p.entity, p.pattern, utc(one.until_us)] for one in found for p in (one.proposal,)]
    print_table("waiting for a person", ["id", "action", "entity", "pattern", "expires"], rows)


@click.command()
@config_option
@click.argument("escalation")
@click.option("--reason", default="", help="Kept with the answer.")
@person_option
def approve(config: Path, escalation: str, reason: str, person: str | None) -> None:
    """Approve an escalation by (the beginning of) its id; all checks run again before anything happens."""
    _answer(config, escalation, person, reason, approve=True)


@click.command()
@config_option
@click.argument("escalation")
@click.option("--reason", default="", help="Kept with the answer.")
@person_option
def reject(config: Path, escalation: str, reason: str, person: str | None) -> None:
    """Reject an escalation by (the beginning of) its id."""
    _answer(config, escalation, person, reason, approve=False)


@click.command()
@config_option
@click.argument("target", default="loop")
@click.option("--for", "duration", help='How long, such as "30m".  [default: until `flyball resume`]')
@click.option("--reason", default="", help="Shown by `flyball status`.")
@person_option
def pause(config: Path, target: str, duration: str | None, reason: str, person: str | None) -> None:
    """Stop new actions on TARGET: loop, action:NAME, pattern:ID or entity:NAME; wait until everyone confirmed.

    Exit 1 when the gate or an executor has not confirmed within 12 s: the order stands, but somebody may not obey yet.
    """
    place = LoopPlace.open(config)
    until_us = now_us() + parse_duration(duration) if duration else None
    orders_of(place, person).pause(target, reason=reason, until_us=until_us)
    if target != "loop":
        click.echo(f"paused {target}")
        return
    _confirm(place, "paused")


@click.command()
@config_option
@click.argument("target", default="loop")
@click.option("--reason", default="", help="Kept with the order.")
@person_option
def resume(config: Path, target: str, reason: str, person: str | None) -> None:
    """Undo `flyball pause`. What limits had spent stays spent."""
    orders_of(LoopPlace.open(config), person).resume(target, reason=reason)
    click.echo(f"resumed {target}")


@click.command()
@config_option
@click.argument("target")
@click.option("--reason", default="", help="Shown by `flyball status`.")
@person_option
def stop(config: Path, target: str, reason: str, person: str | None) -> None:
    """Stop TARGET until `flyball rearm TARGET`: loop, action:NAME, pattern:ID or entity:NAME.

    Unlike a pause it has no end of its own, and `flyball resume` does not lift it. For `loop` it waits until everyone
    confirmed, and exits 1 when somebody has not within 12 s.
    """
    place = LoopPlace.open(config)
    _refuse_other_target(place, target)
    orders_of(place, person).stop(target, reason=reason)
    if target != "loop":
        click.echo(f"stopped {target}")
        return
    _confirm(place, "stopped")


@click.command()
@config_option
@click.argument("target", default="loop")
@click.option("--reason", default="", help="Kept with the order.")
@person_option
def rearm(config: Path, target: str, reason: str, person: str | None) -> None:
    """Lift `flyball stop`, and what tightened by itself after bad outcomes, for TARGET as it was stopped.

    TARGET is loop, action:NAME, pattern:ID or entity:NAME; only the first two ever tighten by themselves. No fresh
    allowance comes with it: what limits had spent stays spent.
    """
    place = LoopPlace.open(config)
    _refuse_other_target(place, target)
    orders_of(place, person).rearm(target, reason=reason)
    click.echo(f"rearmed {target}")


def _refuse_other_target(place: LoopPlace, target: str) -> None:
    """Raise `SettingsError` for a target that nothing can ever fall under."""
    known = ["loop", *(f"action:{name}" for name in place.settings.actions)]
    kind, _, name = target.partition(":")
    if target not in known and not (kind in ("pattern", "entity") and name):
        raise SettingsError([f"expected one of {', '.join(known)}, pattern:ID, entity:NAME, got {target!r}"])


def _waiting(place: LoopPlace) -> list[Escalation]:
    window_us = place.settings.gate.approval_window_us
    return open_escalations(reader_of(place), now_us=now_us(), window_us=window_us)


def _confirm(place: LoopPlace, done: str) -> None:
    """Print who obeys; exit 1 when not all of them do."""
    status = _wait_for_confirmation(place)
    click.echo(f"{done}: {status.stop_line()}")
    if not status.stop_confirmed:
        sys.exit(1)


def _wait_for_confirmation(place: LoopPlace) -> LoopStatus:
    """Poll `presence` until gate and executors confirm, at most 12 s; return what is true then."""
    reader = reader_of(place)
    deadline = time.monotonic() + CONFIRM_TIMEOUT_S
    while True:
        status = read_status(reader, loop=place.loop, settings_hash=place.settings.settings_hash, now_us=now_us())
        if status.stop_confirmed or time.monotonic() > deadline:
            return status
        time.sleep(0.5)


def _answer(config: Path, escalation: str, person: str | None, reason: str, *, approve: bool) -> None:
    place = LoopPlace.open(config)
    found: list[Proposal] = [one.proposal for one in _waiting(place) if one.proposal.id.startswith(escalation)]
    if len(found) != 1:
        raise SettingsError([f"expected the id of one open escalation, {escalation!r} fits {len(found)}"])
    orders_of(place, person).answer(found[0], approve=approve, reason=reason)
    click.echo(f"{'approved' if approve else 'rejected'}: {found[0].action} on {found[0].entity}")
