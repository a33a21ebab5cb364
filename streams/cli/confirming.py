"""Orders that are written, and what everyone who must hear them made of them."""

import sys
import time
from collections.abc import Callable

import click

from streams.cli.options import now_us, reader_of
from streams.operate.confirmation import Confirmation
from streams.operate.confirming import Written, read_confirmation, still_stopped, why_not_in_force
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
    for scope, why in still_stopped(reader_of(place), target, now_us=now_us()).items():
        click.echo(f"still in force: {scope} ({why})")
    _end(place, order, confirmed=found.heard)


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


def _end(place: LoopPlace, order: Written, *, confirmed: bool) -> None:
    """Say so where the order does not count, and exit 1 unless it does and is confirmed."""
    why_not = why_not_in_force(reader_of(place), order)
    if why_not is not None:
        click.echo(f"NOT in force: {why_not}")
    if why_not is not None or not confirmed:
        sys.exit(1)
