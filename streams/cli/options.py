"""What commands share: where the file is, who is asking, what time it is, and how results are printed."""

import getpass
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from schemas.errors import BrokerError
from schemas.keyfiles import has_key, load_keyring, load_trust
from schemas.signing import Audience, Purpose
from streams.operate.in_force import OrderTimes
from streams.operate.loop_place import LoopPlace
from streams.operate.orders import Orders
from streams.operate.personal_key import PersonalKey, find_personal_key
from streams.operate.topic_reader import TopicReader

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0
WIDE = 10_000
"""Columns of what is no terminal: nothing is wrapped or cut, so that programs can read line by line."""
Function = TypeVar("Function", bound=Callable[..., Any])

config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=lambda: Path(os.environ.get("FLYBALL_CONFIG", "loop.toml")),
    show_default="loop.toml, or FLYBALL_CONFIG",
    help="The loop's file.",
)
key_option = click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="FLYBALL_SSH_KEY",
    show_default="FLYBALL_SSH_KEY, or what the agent and ~/.ssh hold",
    help="Your SSH key; a .pub signs by the agent.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def now_us() -> int:
    """Return the wall clock in microseconds."""
    return time.time_ns() // 1_000


def orders_of(place: LoopPlace, person: str | None = None, key: Path | None = None) -> Orders:
    """Return what signs and writes orders in the caller's name.

    With `key`, or FLYBALL_SSH_KEY, or where the folder has no `control.key`, all of them are signed by the person.
    """
    key = key or _key_of_environment()

    def personal(purpose: Purpose) -> PersonalKey:
        return find_personal_key(
            load_keyring(place.keys),
            purpose=purpose,
            now_us=now_us(),
            named=key,
            home=Path.home(),
            environment=os.environ,
        )

    return Orders(
        connection=place.connection(),
        audience=place.audience(),
        keys=place.keys,
        person=person or getpass.getuser(),
        clock_us=now_us,
        personal=personal,
        in_person=signs_in_person(place, key),
        environment=os.environ,
        times=OrderTimes(reader_of(place), say=lambda text: click.echo(f"note: {text}", err=True)),
    )


def signs_in_person(place: LoopPlace, key: Path | None) -> bool:
    """Return whether orders are signed by the caller's own SSH key: a machine's key tells nothing of who orders."""
    named = key is not None or _key_of_environment() is not None
    return named or not has_key(place.keys, "control", os.environ)


def _key_of_environment() -> Path | None:
    named = os.environ.get("FLYBALL_SSH_KEY")
    return Path(named) if named else None


def reader_of(place: LoopPlace) -> TopicReader:
    """Return a reader of the loop's topics that believes only signed orders."""
    trust = load_trust(place.keys)
    return TopicReader(place.connection(), place.loop, trust=trust, audience=place.audience())


def print_json(value: object) -> None:
    """Print one value as JSON, indented for people who look anyway."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_json_line(value: object) -> None:
    """Print one value as a line of JSON and flush it, for a program that follows."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table, its texts as they are; without a terminal it has no colours and does not wrap."""
    from rich.console import Console  # noqa: PLC0415  # loaded only where a table is printed
    from rich.table import Table  # noqa: PLC0415

    width = None if sys.stdout.isatty() else WIDE  # a table is no wider than its content
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    if not rows:
        console.print(f"{title}: none")
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(title, style="italic")
    console.print(table)


def utc(time_us: int | None) -> str:
    """Return a time for people: seconds, UTC."""
    if time_us is None:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time_us / 1e6))


def wait_for_kafka(place: LoopPlace) -> Audience:
    """Ask for the cluster until it answers; whoever runs for long must not end because Kafka comes up later."""
    wait_s = FIRST_WAIT_S
    while True:
        try:
            return place.audience()
        except BrokerError as error:
            click.echo(f"{error}; trying again in {wait_s:g} s", err=True)
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def stop_on_signals() -> threading.Event:
    """Return what is set by Ctrl-C, or when a supervisor ends the process."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
