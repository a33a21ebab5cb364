"""`flyball pause, resume, stop, rearm`: what people order, and that everyone heard."""

import getpass
from pathlib import Path

import click

from schemas.errors import SettingsError
from schemas.stop_file import StopNote
from streams.cli.confirming import confirm_go, confirm_stop
from streams.cli.options import config_option, key_option, now_us, orders_of
from streams.loop.durations import parse_duration
from streams.operate.loop_place import LoopPlace
from streams.operate.orders import Orders

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

    Exit 0 when the gate and every executor confirmed and nothing of TARGET is running, 1 when that is not so within
    12 s: the order stands, but somebody may not obey yet, or an action is, or may be, running still. An executor that
    is not heard is told of, and counts as not confirmed; where it holds no action, its silence is a stop after 10 s.
    """
    place, orders = _about(target, config, person, key)
    until_us = now_us() + parse_duration(duration) if duration else None
    offset = orders.pause(target, reason=reason, until_us=until_us)
    confirm_stop(place, _done("paused", target), offset=offset, target=target)


@click.command()
@config_option
@click.argument("target", default="loop")
@click.option("--reason", default="", help="Kept with the order.")
@person_option
@key_option
def resume(config: Path, target: str, reason: str, person: str | None, key: Path | None) -> None:
    """Undo `flyball pause`, and wait until everyone confirmed. What limits had spent stays spent.

    Exit 0 when the gate and every executor confirmed, 1 when one has not within 12 s: the order stands, and who is not
    heard will hear it first when he comes back.
    """
    place, orders = _about(target, config, person, key)
    offset = orders.resume(target, reason=reason)
    confirm_go(place, f"resumed {target}", offset=offset, target=target)


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
    """Stop TARGET until `flyball rearm TARGET`: loop (where none is named), action:NAME, pattern:ID or entity:NAME.

    Unlike a pause it has no end of its own, and `flyball resume` does not lift it. It waits until everyone confirmed,
    and exits as `flyball pause` does: 0 when all obey and nothing of TARGET is running, 1 when not so within 12 s.

    With --local a file is written beside the loop's data: while it is there, executors of this machine start nothing
    and try nothing again, and a gate of this machine lets nothing through. Other machines do not hear of it.
    """
    if local:
        _refuse_target_here(target)
        stop_here(LoopPlace.open(config), by=person or getpass.getuser(), reason=reason)
        return
    target = target or "loop"
    place, orders = _about(target, config, person, key)
    offset = orders.stop(target, reason=reason)
    confirm_stop(place, _done("stopped", target), offset=offset, target=target)


@click.command()
@config_option
@click.argument("target", required=False)
@click.option("--local", is_flag=True, help="End `flyball stop --local` on this machine, and nothing else.")
@click.option("--reason", default="", help="Kept with the order.")
@person_option
@key_option
def rearm(config: Path, target: str | None, *, local: bool, reason: str, person: str | None, key: Path | None) -> None:
    """Lift `flyball stop` of TARGET, and close breakers: they open by themselves after bad outcomes, or in a storm.

    TARGET is loop (where none is named), action:NAME, pattern:ID or entity:NAME; only the first two have breakers, and
    loop means all of them. No fresh allowance comes with it: what limits had spent stays spent. A breaker opens again
    by new evidence. It waits until everyone confirmed, and exits as `flyball resume` does: 1 when somebody has not
    within 12 s.
    """
    if local:
        _refuse_target_here(target)
        rearm_here(LoopPlace.open(config))
        return
    target = target or "loop"
    place, orders = _about(target, config, person, key)
    offset = orders.rearm(target, reason=reason)
    if place.stopped_here:
        click.echo(f"still stopped on this machine: {place.stopped_here}; `flyball rearm --local` ends that")
    confirm_go(place, f"rearmed {target}", offset=offset, target=target)


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


def _done(what: str, target: str) -> str:
    return what if target == "loop" else f"{what} {target}"
