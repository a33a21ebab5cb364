"""`flyball pause, resume, stop, rearm`: what people order, and that everyone heard."""

import getpass
import sys
import time
from pathlib import Path

import click

from schemas.errors import SettingsError
from schemas.stop_file import StopNote
from streams.cli.options import config_option, key_option, now_us, orders_of, reader_of
from streams.loop.durations import parse_duration
from streams.operate.loop_place import LoopPlace
from streams.operate.orders import Orders
from streams.operate.status import LoopStatus, read_status

CONFIRM_TIMEOUT_S = 12.0
person_option = click.option("--as", "person", help="Who orders, where no --key tells.  [default: the user's name]")


@click.command()
@config_option
@click.argument("target", default="loop")
@click.option("--for", "duration", help='How long, such as "30m".  [default: until `flyball resume`]')
@click.option("--reason", default="", help="Shown by `flyball status`.")
@person_option
@key_option
def pause(
    config: Path, target: str, *, duration: str | None, reason: str, person: str | None, key: Path | None
) -> None:
    """Stop new actions on TARGET: loop, action:NAME, pattern:ID or entity:NAME; wait until everyone confirmed.

    Exit 1 when the gate or an executor has not confirmed within 12 s: the order stands, but somebody may not obey yet.
    """
    place, orders = _about(target, config, person, key)
    until_us = now_us() + parse_duration(duration) if duration else None
    orders.pause(target, reason=reason, until_us=until_us)
    if target != "loop":
        click.echo(f"paused {target}")
        return
    _confirm(place, "paused")


@click.command()
@config_option
@click.argument("target", default="loop")
@click.option("--reason", default="", help="Kept with the order.")
@person_option
@key_option
def resume(config: Path, target: str, reason: str, person: str | None, key: Path | None) -> None:
    """Undo `flyball pause`. What limits had spent stays spent."""
    _, orders = _about(target, config, person, key)
    orders.resume(target, reason=reason)
    click.echo(f"resumed {target}")


@click.command()
@config_option
@click.argument("target", required=False)
@click.option(
    "--local", is_flag=True, help="Stop everything of the loop on this machine, by a file: no Kafka, no keys."
)
@click.option("--reason", default="", help="Shown by `flyball status`.")
@person_option
@key_option
def stop(config: Path, target: str | None, *, local: bool, reason: str, person: str | None, key: Path | None) -> None:
    """Stop TARGET until `flyball rearm TARGET`: loop, action:NAME, pattern:ID or entity:NAME.

    Unlike a pause it has no end of its own, and `flyball resume` does not lift it. For `loop` it waits until everyone
    confirmed, and exits 1 when somebody has not within 12 s.

    With --local a file is written beside the loop's data: while it is there, executors of this machine start nothing
    and try nothing again, and a gate of this machine lets nothing through. Other machines do not hear of it.
    """
    if local:
        _refuse_target_here(target)
        stop_here(LoopPlace.open(config), by=person or getpass.getuser(), reason=reason)
        return
    if target is None:
        raise click.UsageError("expected a TARGET (loop, action:NAME, pattern:ID or entity:NAME), or --local")
    place, orders = _about(target, config, person, key)
    orders.stop(target, reason=reason)
    if target != "loop":
        click.echo(f"stopped {target}")
        return
    _confirm(place, "stopped")


@click.command()
@config_option
@click.argument("target", required=False)
@click.option("--local", is_flag=True, help="End `flyball stop --local` on this machine, and nothing else.")
@click.option("--reason", default="", help="Kept with the order.")
@person_option
@key_option
def rearm(config: Path, target: str | None, *, local: bool, reason: str, person: str | None, key: Path | None) -> None:
    """Lift `flyball stop`, and what tightened by itself after bad outcomes, for TARGET as it was stopped.

    TARGET is loop (where none is named), action:NAME, pattern:ID or entity:NAME; only the first two ever tighten by
    themselves. No fresh allowance comes with it: what limits had spent stays spent.
    """
    if local:
        _refuse_target_here(target)
        rearm_here(LoopPlace.open(config))
        return
    target = target or "loop"
    place, orders = _about(target, config, person, key)
    orders.rearm(target, reason=reason)
    click.echo(f"rearmed {target}")
    if place.stopped_here:
        click.echo(f"still stopped on this machine: {place.stopped_here}; `flyball rearm --local` ends that")


def stop_here(place: LoopPlace, *, by: str, reason: str) -> None:
    """Stop the loop on this machine by its stop file, and say so; raises `SettingsError` where it cannot be written."""
    stop_file = place.stop_file
    try:
        written = stop_file.write(StopNote(by=by, time_us=now_us(), reason=reason))
    except OSError as error:
        raise SettingsError([f"{stop_file.path} cannot be written ({error}): run it as who may write there"]) from error
    said = "stopped on this machine" if written else "stopped on this machine already"
    click.echo(f"{said}: {stop_file.path}; executors here start nothing, a gate here lets nothing through")
    click.echo(
        "other machines do not hear of it: `flyball stop loop` reaches them all; `flyball rearm --local` ends it"
    )


def rearm_here(place: LoopPlace) -> None:
    """End the stop of this machine, and say so; raises `SettingsError` where the file cannot be removed."""
    stop_file = place.stop_file
    try:
        removed = stop_file.remove()
    except OSError as error:
        raise SettingsError([f"{stop_file.path} cannot be removed ({error}): run it as who may write there"]) from error
    click.echo(f"rearmed on this machine: {stop_file.path} is gone" if removed else f"{stop_file.path} was not there")
    if place.stopped_here:
        click.echo(f"still stopped on this machine: {place.stopped_here}")


def _refuse_target_here(target: str | None) -> None:
    if target not in (None, "loop"):
        raise click.UsageError(f"expected no TARGET with --local, which is about everything here, got {target!r}")


def _about(target: str, config: Path, person: str | None, key: Path | None) -> tuple[LoopPlace, Orders]:
    """Return the loop, and what writes orders about a target of it; raises `SettingsError` for what is none."""
    place = LoopPlace.open(config)
    _refuse_other_target(place, target)
    return place, orders_of(place, person, key)


def _refuse_other_target(place: LoopPlace, target: str) -> None:
    """Raise `SettingsError` for a target that nothing can ever fall under."""
    known = ["loop", *(f"action:{name}" for name in place.settings.actions)]
    kind, _, name = target.partition(":")
    if target not in known and not (kind in ("pattern", "entity") and name):
        raise SettingsError([f"expected one of {', '.join(known)}, pattern:ID, entity:NAME, got {target!r}"])


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
