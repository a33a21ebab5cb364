"""`flyball explain, why`: what happened, because of what, and why no more is being done."""

import sys
from pathlib import Path

import click
import msgspec

from streams.cli.options import config_option, json_option, now_us, print_json, reader_of, utc
from streams.operate.concerned import concerned_scopes
from streams.operate.loop_place import LoopPlace
from streams.operate.status import read_status
from streams.operate.story import Story, episodes_of, stories, story_of


@click.command()
@config_option
@click.argument("identity", metavar="ID")
@json_option
def explain(config: Path, identity: str, *, as_json: bool) -> None:
    """Tell the story that ID is part of: from the telemetry that made an episode to what was learned from the answer.

    ID is (the beginning of) the id of an episode, proposal, verdict, action, outcome or experience. Exit 1 when a link
    of the story is missing, which is told.
    """
    story = story_of(reader_of(LoopPlace.open(config)), identity)
    if as_json:
        print_json(story)
    else:
        _print(story)
    if story.missing:
        sys.exit(1)


@click.command()
@config_option
@click.argument("entity")
@json_option
def why(config: Path, entity: str, *, as_json: bool) -> None:
    """Say what is being done about ENTITY, and why not more: its open episodes, else its last, and what blocks it."""
    place = LoopPlace.open(config)
    reader, now = reader_of(place), now_us()
    episodes, open_ones = episodes_of(reader, entity)
    about = set(open_ones or episodes[-1:])
    told = list(stories(reader, about).values())
    status = read_status(reader, loop=place.loop, settings_hash=place.settings.settings_hash, now_us=now)
    concerned = concerned_scopes(reader, entity, about, actions=place.settings.actions)
    blocked = {scope: until for scope, until in status.blocked_until_us.items() if scope in concerned}
    if as_json:
        found = {"episodes": told, "open": open_ones, "blocked_until_us": blocked, "breakers": status.breakers}
        print_json(msgspec.to_builtins(found))
        return
    if not episodes:
        click.echo(f"{entity} never left its normal, as far as the topics reach back")
    elif not open_ones:
        click.echo(f"{entity} is normal; its last episode:")
    for story in told:
        _print(story)
    for target, reason in status.pauses.items():
        click.echo(f"paused: {target} ({reason})")
    for scope, since_us in status.breakers.items():
        click.echo(f"breaker open: {scope} since {utc(since_us)}; `flyball rearm {scope}` closes it")
    if entity in status.left_to_people:
        click.echo(f"left to people until {utc(status.left_to_people[entity])}: what was done did not hold")
    for scope, until_us in blocked.items():
        click.echo(f"blocked: {scope} until {utc(until_us) if until_us else 'something ends'}")


def _print(story: Story) -> None:
    click.echo(f"{story.entity}, episode {story.episode}")
    for step in story.steps:
        click.echo(f"  {utc(step.time_us)}  {step.text}")
        click.echo(f"      {step.at} {step.kind} {step.id[:12]}{_because(step.causes)}")
    for gap in story.missing:
        click.echo(f"  MISSING: {gap}")


def _because(causes: tuple[str, ...]) -> str:
    return f", because of {', '.join(causes)}" if causes else ""
