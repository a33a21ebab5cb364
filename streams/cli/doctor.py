"""`flyball doctor`: one look at everything that can be wrong."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from schemas.errors import SettingsError
from streams.cli.options import config_option, json_option, now_us, print_json
from streams.operate.doctor import Finding, examine
from streams.operate.doctor.finding import fail
from streams.operate.loop_place import LoopPlace

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@config_option
@json_option
def doctor(config: Path, *, as_json: bool) -> None:
    """Look at everything that can be wrong with the loop, from this machine, and say what to do about it.

    Checks the file, the stop file, keys, disk, what executors remember, broker, topics, activated settings, keyring,
    stops and pauses, roles, executors, breakers, dead letters and clocks. It writes nothing and prints no secret; it
    looks for up to six seconds, since clocks are compared by what comes in. Exit 0 when nothing failed (warnings may
    have come), 1 when something did.
    """
    found: list[Finding] = []
    for finding in _findings(config):
        found.append(finding)
        if not as_json:
            _print(finding)
    failed = sum(finding.level == "fail" for finding in found)
    if as_json:
        print_json(found)
    else:
        warned = sum(finding.level == "warn" for finding in found)
        click.echo(f"{len(found)} checks: {failed} failed, {warned} with a warning")
    sys.exit(1 if failed else 0)


def _findings(config: Path) -> Iterator[Finding]:
    try:
        place = LoopPlace.open(config)
    except SettingsError as error:
        for problem in error.problems:
            yield fail("file", problem, "flyball check says it again once you have mended it")
        return
    yield from examine(place, clock_us=now_us, environment=os.environ)


def _print(finding: Finding) -> None:
    level = click.style(f"{finding.level:<5}", fg=COLOURS[finding.level], bold=finding.level == "fail")
    click.echo(f"{level} {finding.check:<13} {finding.found}")
    if finding.remedy:
        click.echo(f"{'':20}-> {finding.remedy}")
