"""`flyball pause, resume, stop, rearm`: what people order, and that everyone heard."""

from pathlib import Path

import click

from schemas.errors import SettingsError
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
@click.argument("target", default="loop")
@click.option("--reason", default="", help="Shown by `flyball status`.")
@person_option
@key_option
def stop(config: Path, target: str, reason: str, person: str | None, key: Path | None) -> None:
    """Stop TARGET until `flyball rearm TARGET`: loop, action:NAME, pattern:ID or entity:NAME.

    Unlike a pause it has no end of its own, and `flyball resume` does not lift it. It waits until everyone confirmed,
    and exits as `flyball pause` does: 0 when all obey and nothing of TARGET is running, 1 when not so within 12 s.
    """
    place, orders = _about(target, config, person, key)
    offset = orders.stop(target, reason=reason)
    confirm_stop(place, _done("stopped", target), offset=offset, target=target)


@click.command()
@config_option
@click.argument("target", default="loop")
@click.option("--reason", default="", help="Kept with the order.")
@person_option
@key_option
def rearm(config: Path, target: str, reason: str, person: str | None, key: Path | None) -> None:
    """Lift `flyball stop` of TARGET, and close breakers: they open by themselves after bad outcomes, or in a storm.

    TARGET is loop, action:NAME, pattern:ID or entity:NAME; only the first two have breakers, and loop means all of
    them. No fresh allowance comes with it: what limits had spent stays spent. A breaker opens again by new evidence.
    It waits until everyone confirmed, and exits as `flyball resume` does: 1 when somebody has not within 12 s.
    """
    place, orders = _about(target, config, person, key)
    offset = orders.rearm(target, reason=reason)
    confirm_go(place, f"rearmed {target}", offset=offset, target=target)


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
