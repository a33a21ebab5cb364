"""`flyball inflight, cancel, settle, limits, levels, level`: what a person needs to know and do at night."""

from collections.abc import Sequence
from pathlib import Path

import click

from schemas.errors import SettingsError
from streams.cli.confirming import confirm_cancel, confirm_level, confirm_settled
from streams.cli.options import (
    config_option,
    json_option,
    key_option,
    now_us,
    orders_of,
    print_json,
    print_table,
    reader_of,
    signs_in_person,
    utc,
)
from streams.cli.status import print_breakers
from streams.loop.gate import GATE_LIMITS, LEVELS, Level
from streams.operate.confirming import read_held
from streams.operate.held import Held
from streams.operate.in_flight import InFlight, in_flight
from streams.operate.levels import levels as levels_of
from streams.operate.loop_place import LoopPlace
from streams.operate.status import read_status

person_option = click.option("--as", "person", help="Who orders it, where no --key tells.  [default: the user's name]")
reason_option = click.option("--reason", default="", help="Kept with the order.")


@click.command()
@config_option
@json_option
def inflight(config: Path, *, as_json: bool) -> None:
    """List actions that were let through and have no end yet."""
    now = now_us()
    found = _under_way(LoopPlace.open(config), now)
    if as_json:
        print_json(found)
        return
    rows = [
        [one.action[:12], one.name, one.entity, f"{(now - one.issued_us) / 1e6:.0f} s", _state(one, now)]
        for one in found
    ]
    print_table("under way", ["action", "what", "entity", "age", "state"], rows)


@click.command()
@config_option
@click.argument("action")
@reason_option
@person_option
@key_option
def cancel(config: Path, action: str, reason: str, person: str | None, key: Path | None) -> None:
    """Forbid the start, and every further attempt, of ACTION (the beginning of its id); what runs, runs on.

    Exit 0 when the gate and every executor confirmed, 1 when one has not within 12 s: the order stands. An executor
    that is not heard is told of; by then it starts nothing either.
    """
    place = LoopPlace.open(config)
    found = _one(_under_way(place, now_us()), action)
    offset = orders_of(place, person, key).cancel(found.action, reason=reason)
    running = f"; {found.executor} has claimed it: what it does already, it goes on doing" if found.executor else ""
    confirm_cancel(place, f"cancelled: {found.name} on {found.entity}{running}", offset=offset)


@click.command()
@config_option
@click.argument("action")
@click.argument("state", type=click.Choice(["succeeded", "failed", "unknown"]))
@reason_option
@person_option
@key_option
def settle(config: Path, action: str, state: str, *, reason: str, person: str | None, key: Path | None) -> None:
    """Say how ACTION (the beginning of its id) ended, where its executor does not: its entity is free again.

    Cancel it first if it may not have been started. An outcome that comes later counts no more for the gate's limits.
    For `flyball pause` an executor that is not heard then no longer holds it.

    Exit 0 when the gate confirmed, 1 when it has not within 12 s: the order stands.
    """
    place = LoopPlace.open(config)
    now = now_us()
    found = _one([*_under_way(place, now), *read_held(reader_of(place), now_us=now)], action)
    offset = orders_of(place, person, key).settle(found.action, state, reason=reason)
    confirm_settled(place, f"settled as {state}: {found.name} on {found.entity}", offset=offset)


@click.command()
@config_option
@json_option
def limits(config: Path, *, as_json: bool) -> None:
    """Show every limit as it is declared, what blocks now and until when, and which breakers are open."""
    place = LoopPlace.open(config)
    gate = place.settings.gate
    stated = {name: getattr(gate, name) for name in GATE_LIMITS}
    stated |= {f"actions.{name}.limit": action.limit for name, action in place.settings.actions.items()}
    stated |= {name: f"{getattr(gate, name):g}" for name in ("cost_a_day", "concurrency", "blast_count", "blast_share")}
    status = read_status(reader_of(place), loop=place.loop, settings_hash=place.settings.settings_hash, now_us=now_us())
    if as_json:
        print_json({"limits": stated, "blocked_until_us": status.blocked_until_us, "breakers": status.breakers})
        return
    print_table("limits", ["setting", "limit"], [[name, text] for name, text in stated.items()])
    blocked = [[scope, utc(until) if until else "something ends"] for scope, until in status.blocked_until_us.items()]
    print_table("blocked now", ["scope", "until"], blocked)
    print_breakers(status.breakers)


@click.command()
@config_option
@json_option
def levels(config: Path, *, as_json: bool) -> None:
    """Show how far each action may go by itself against each pattern, where that began, and what changed it last."""
    place = LoopPlace.open(config)
    found = levels_of(reader_of(place), place.settings, now_us=now_us())
    if as_json:
        print_json(found)
        return
    rows = [
        [one.pattern, one.pattern_name, one.action, one.level, "ordered" if one.ordered else "settings", one.changed]
        for one in found
    ]
    print_table("levels", ["pattern", "name", "action", "level", "started from", "last change"], rows)


@click.command()
@config_option
@click.argument("pair", metavar="PATTERN/ACTION")
@click.argument("to", metavar="LEVEL", type=click.Choice(LEVELS))
@reason_option
@person_option
@key_option
def level(config: Path, pair: str, to: Level, *, reason: str, person: str | None, key: Path | None) -> None:
    """Set how far an action may go by itself against a pattern ("*" for any): observe, suggest, approve or act.

    To act it is raised by a person's own SSH key (--key) only, unless [levels] says raise = "auto": a key of a machine
    tells nothing of who orders. An action that cannot be taken back stays at most where [levels] in loop.toml has it,
    whoever orders more. Pairs that stay at another level are told, with the reason.

    Exit 0 when the gate confirmed and all of them are at LEVEL, 1 when that is not so within 12 s: the order stands.
    """
    place = LoopPlace.open(config)
    pattern, _, action = pair.rpartition("/")
    if not pattern or action not in place.settings.actions:
        known = ", ".join(place.settings.actions)
        raise SettingsError([f"expected PATTERN/ACTION with a declared action ({known}), got {pair!r}"])
    if to == "act" and not signs_in_person(place, key) and place.settings.levels.raising != "auto":
        remedy = "`flyball keys add NAME --ssh-key FILE.pub --role operator` lists yours"
        raise SettingsError([f"a person must sign the level act: name your SSH key (--key FILE); {remedy}"])
    offset = orders_of(place, person, key).level(pair, to, reason=reason)
    confirm_level(place, pair, to, offset=offset)


def _under_way(place: LoopPlace, now: int) -> list[InFlight]:
    return in_flight(reader_of(place), place.settings, now_us=now)


def _one(candidates: Sequence[InFlight | Held], beginning: str) -> InFlight | Held:
    found = {one.action: one for one in reversed(candidates) if one.action.startswith(beginning)}
    if len(found) != 1:
        raise SettingsError([f"expected the id of one action that is under way, {beginning!r} fits {len(found)}"])
    return found.popitem()[1]


def _state(one: InFlight, now: int) -> str:
    if one.executor:
        return f"claimed by {one.executor}"
    return "expired, and nobody claimed it" if one.expires_us <= now else f"waits until {utc(one.expires_us)}"
