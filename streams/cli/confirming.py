"""Orders that are written, and what everyone who must hear them made of them."""

import sys
import time
from collections.abc import Callable, Sequence

import click

from streams.cli.options import now_us, reader_of
from streams.loop.gate import Level
from streams.operate.confirmation import Confirmation
from streams.operate.confirming import (
    Written,
    read_confirmation,
    still_stopped,
    under_other_settings,
    why_not_in_force,
)
from streams.operate.levels import levels, otherwise
from streams.operate.loop_place import LoopPlace

CONFIRM_TIMEOUT_S = 12.0
_ASK_EVERY_S = 0.5


def confirm_stop(place: LoopPlace, done: str, *, offset: int, target: str) -> None:
    """Print who obeys an order that stops a target, and what runs on; exit 1 unless all obey and nothing runs."""
    order = Written(offset=offset, time_us=now_us(), target=target, stops=True)
    found = _wait(place, order, lambda found: found.stopped)
    click.echo(f"{done}: {found.who()}; {found.running()}{found.missing()}")
    _end(place, order, confirmed=found.stopped)


def confirm_go(place: LoopPlace, done: str, *, offset: int, target: str) -> None:
    """Print who has heard an order that lets a target go on, and what stops it still; exit 1 unless all have."""
    order = Written(offset=offset, time_us=now_us(), target=target, stops=False)
    found = _wait(place, order, lambda found: found.heard)
    click.echo(f"{done}: {found.who()}{found.missing()}")
    _tell_stopped(place, target)
    _end(place, order, confirmed=found.heard)


def confirm_activated(place: LoopPlace, done: str, *, offsets: Sequence[int]) -> None:
    """Print who has heard that settings are activated, what stops the loop still, and which gate has other settings;
    exit 1 unless all who are there have (`heard_by_all_there`), and no gate has.
    """
    orders = [Written(offset=offset, time_us=now_us(), target="loop", stops=False) for offset in offsets]
    found = _wait(place, orders[-1], lambda found: found.heard_by_all_there)
    click.echo(f"{done}: {found.who_is_there()}")
    others = _tell_other_settings(place)
    _tell_stopped(place, "loop")
    if place.stopped_here:
        click.echo(f"still stopped on this machine: {place.stopped_here}; `flyball rearm --local` ends that")
    _end(place, *orders, confirmed=found.heard_by_all_there and not others)


def confirm_keyring(place: LoopPlace, done: str, *, offset: int) -> None:
    """Print who has heard whose keys count; exit 1 unless all who are there have (`heard_by_all_there`)."""
    order = Written(offset=offset, time_us=now_us(), target="loop", stops=False)
    found = _wait(place, order, lambda found: found.heard_by_all_there)
    click.echo(f"{done}: {found.who_is_there()}")
    _end(place, order, confirmed=found.heard_by_all_there)


def confirm_level(place: LoopPlace, pair: str, level: Level, *, offset: int) -> None:
    """Print whether the gate has heard an order for the level of a pair (`*` for any pattern), and which pairs stay at
    another one; exit 1 unless it has and none does.
    """
    order = Written(offset=offset, time_us=now_us(), target="loop", stops=False)
    found = _wait(place, order, lambda found: found.gate_heard)
    click.echo(f"{pair}: {level} ordered; {found.of_gate()}")
    reader = reader_of(place)
    apart: list[str] = []
    if why_not_in_force(reader, order) is None:
        apart = otherwise(levels(reader, place.settings, now_us=now_us()), pair, level)
    for line in apart:
        click.echo(line)
    others = _tell_other_settings(place)
    _end(place, order, confirmed=found.gate_heard and not apart and not others)


def confirm_cancel(place: LoopPlace, done: str, *, offset: int) -> None:
    """Print who will not start an action any more; exit 1 unless nobody will."""
    order = Written(offset=offset, time_us=now_us(), target="loop", stops=True)
    found = _wait(place, order, lambda found: found.obeyed)
    click.echo(f"{done}; {found.who()}{found.missing()}")
    _end(place, order, confirmed=found.obeyed)


def confirm_settled(place: LoopPlace, done: str, *, offset: int) -> None:
    """Print whether the gate, which alone keeps that book, counts an action as ended; exit 1 unless it does."""
    order = Written(offset=offset, time_us=now_us(), target="loop", stops=False)
    found = _wait(place, order, lambda found: found.gate_heard)
    click.echo(f"{done}; {found.of_gate()}")
    _end(place, order, confirmed=found.gate_heard)


def _wait(place: LoopPlace, order: Written, enough: Callable[[Confirmation], bool]) -> Confirmation:
    """Ask until it is enough, at most 12 s; return what is true then."""
    reader = reader_of(place)
    deadline = time.monotonic() + CONFIRM_TIMEOUT_S
    while True:
        found = read_confirmation(reader, order, now_us=now_us())
        if enough(found) or time.monotonic() > deadline:
            return found
        time.sleep(_ASK_EVERY_S)


def _tell_stopped(place: LoopPlace, target: str) -> None:
    """Print the pauses and stops of a target, or of the loop, that are in force."""
    for scope, why in still_stopped(reader_of(place), target, now_us=now_us()).items():
        click.echo(f"still in force: {scope} ({why})")


def _tell_other_settings(place: LoopPlace) -> list[str]:
    """Print, and return, which workers hold the gate under other settings than those of the file."""
    others = under_other_settings(reader_of(place), place.settings.settings_hash, now_us=now_us())
    for instance in others:
        click.echo(f"{instance} runs under other settings than {place.config}: start it again with these")
    return others


def _end(place: LoopPlace, *orders: Written, confirmed: bool) -> None:
    """Say so where an order does not count, and exit 1 unless all do and are confirmed."""
    found = [why_not_in_force(reader_of(place), order) for order in orders]
    for why_not in filter(None, found):
        click.echo(f"NOT in force: {why_not}")
    if any(found) or not confirmed:
        sys.exit(1)
