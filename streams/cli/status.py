"""`flyball status`: what is true everywhere, now."""

from pathlib import Path

import click
import msgspec

from streams.cli.options import config_option, json_option, now_us, print_json, print_table, reader_of, utc
from streams.operate.loop_place import LoopPlace
from streams.operate.narration import overflow_line
from streams.operate.status import LoopStatus, read_status, with_insights


@click.command()
@config_option
@json_option
def status(config: Path, *, as_json: bool) -> None:
    """Say what every role, limit and executor of the loop is doing, from what each of them last said."""
    place = LoopPlace.open(config)
    if place.stopped_here and not as_json:
        click.echo(f"stopped on this machine: {place.stopped_here}; `flyball rearm --local` ends it")
    reader, now = reader_of(place), now_us()
    found = read_status(reader, loop=place.loop, settings_hash=place.settings.settings_hash, now_us=now)
    found = msgspec.structs.replace(with_insights(found, reader, now_us=now), stopped_here=place.stopped_here)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: LoopStatus) -> None:
    state = "paused" if found.paused else "running"
    click.echo(f"loop {found.loop}: {state}")
    for target, reason in found.pauses.items():
        click.echo(f"  {target}: {reason}")
    if found.paused:
        click.echo(f"  {found.stop_line()}")
    if found.activated_settings != found.settings_hash:
        click.echo("  these settings are not activated; `flyball activate` signs and publishes them")
    for part in found.parts:
        if part.why and part.answering:
            click.echo(f"  {part.instance}: {part.why}")
    rows = [
        [
            part.role,
            part.instance,
            part.state if part.answering else "NOT ANSWERING",
            f"{part.age_s:.0f} s ago",
            f"{part.control_age_s:.0f} s ago",
            str(part.step),
            str(part.lag),
            " and ".join(one.text() for one in found.held if one.executor == part.instance) or "-",
        ]
        for part in found.parts
    ]
    columns = ["role", "instance", "state", "said", "heard control", "step", "lag", "in flight"]
    print_table("processes", columns, rows)
    print_table("verdicts", ["verdict", "count"], [[name, str(n)] for name, n in found.verdicts.items()])
    print_table("decided by", ["check", "count"], [[name, str(n)] for name, n in found.refusals.items()])
    print_table("actions ended", ["state", "count"], [[name, str(n)] for name, n in found.outcomes.items()])
    storms = [
        [utc(storm.opened_us), str(storm.size), ", ".join(f"{one.entity} {one.share:.0%}" for one in storm.members[:3])]
        for storm in found.storms
    ]
    print_table("storms that are not over", ["since", "entities", "likely from"], storms)
    _print_insights(found)
    blocked = [[scope, utc(until) if until else "unknown"] for scope, until in found.blocked_until_us.items()]
    print_table("limits that block now", ["scope", "until"], blocked)
    print_breakers(found.breakers)
    left = [[entity, utc(until), f"flyball why {entity}"] for entity, until in found.left_to_people.items()]
    print_table("left to people: what was done did not hold", ["entity", "until", "see"], left)


def print_breakers(breakers: dict[str, int]) -> None:
    """Show which breakers are open, and what closes each."""
    rows = [[scope, utc(since), f"flyball rearm {scope}"] for scope, since in breakers.items()]
    print_table("breakers that are open", ["breaker", "since", "closed by"], rows)


def _print_insights(found: LoopStatus) -> None:
    drifts = [
        [
            utc(one.time_us),
            one.subject,
            "-" if one.partition is None else str(one.partition),
            f"{one.before:.4g}",
            f"{one.after:.4g}",
        ]
        for one in found.drifts
    ]
    print_table("changed for good in the last hour", ["noticed", "what", "partition", "before", "now"], drifts)
    overflows = [[utc(one.time_us), overflow_line(one)] for one in found.overflows]
    if overflows:
        print_table("WARNING: telemetry that found no room in the last hour", ["last", "what"], overflows)
