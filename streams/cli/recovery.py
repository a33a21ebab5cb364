"""`flyball recover, dead-letters, reset`: after something went wrong."""

from pathlib import Path

import click

from connectors.kafka.admin import delete_topics, reset_groups
from schemas.errors import SettingsError
from schemas.topics import ROLES
from streams.cli.options import config_option, json_option, now_us, orders_of, print_json, print_table, reader_of
from streams.operate.dead_letters import find_dead_letter, list_dead_letters, retry_message
from streams.operate.loop_place import LoopPlace
from streams.operate.orders import write_messages
from streams.operate.recovering import recover_role

VALUE_SHOWN = 2_000


@click.command()
@config_option
@click.option("--role", type=click.Choice(ROLES), required=True, help="The role that refuses to go on.")
@click.option("--accept-loss", is_flag=True, help="Go on from what is there: yes, knowingly.")
def recover(config: Path, role: str, *, accept_loss: bool) -> None:
    """Let a role go on whose snapshot, journal and inputs do not fit together any more. Stop its workers first.

    Kept is what fits of the newest snapshot, processor by processor, and of the steps behind it as many as still come
    out as recorded. Where nothing fits, all steps are folded again, if the journal (kept for five weeks) and its inputs
    (four) reach back to the first one. Else, and where single processors do not fit, these begin afresh:

    detect: what is normal is learned anew, and no episode opens until it is (the warm-up). recognise: all patterns are
    new ones, with new ids. attribute: of actions under way nothing is told any more, and early signals are learned
    anew. policy: what actions earn is learned again from `experience` (kept for a year); episodes that wait are not
    decided, what is under way teaches nothing, and lives are followed anew. gate: levels are what settings and orders
    say, and what it had lowered is ordered to stay so, as far as `verdicts` tells; what limits had spent is forgotten,
    so the loop is paused for the longest interval of any limit. improve: the ledger counts from zero, and the audit
    chain breaks there. ingest holds next to nothing.
    """
    if not accept_loss:
        raise SettingsError(["this gives up state for good: say --accept-loss when that is what you want"])
    place = LoopPlace.open(config)
    for line in recover_role(place, role, orders=orders_of(place), reader=reader_of(place), now_us=now_us()):
        click.echo(line)


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show or retry the records that no reader could use, each kept with its original bytes."""


@dead_letters.command("list")
@config_option
@json_option
def dead_letters_list(config: Path, *, as_json: bool) -> None:
    """Show every dead letter with its origin and reason, oldest first."""
    letters = list_dead_letters(reader_of(LoopPlace.open(config)))
    if as_json:
        print_json(letters)
        return
    rows = [
        [
            letter.id[:12],
            f"{letter.origin_topic}/{letter.origin_partition}/{letter.origin_offset}",
            "-" if letter.row is None else str(letter.row),
            letter.reason,
            letter.detail[:80],
        ]
        for letter in letters
    ]
    print_table("dead letters", ["id", "origin", "row", "reason", "detail"], rows)


@dead_letters.command("show")
@config_option
@click.argument("letter")
@json_option
def dead_letters_show(config: Path, letter: str, *, as_json: bool) -> None:
    """Show one dead letter by (the beginning of) its id, with its original key, headers and value."""
    found = find_dead_letter(reader_of(LoopPlace.open(config)), letter)
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.reason}: {found.detail}")
    click.echo(f"origin: {found.origin_topic}/{found.origin_partition}/{found.origin_offset}, refused by {found.role}")
    click.echo(f"key: {found.original_key!r}")
    for name, value in found.original_headers:
        click.echo(f"header {name}: {value!r}")
    value = found.original_value or b""
    more = f" … ({len(value)} bytes)" if len(value) > VALUE_SHOWN else ""
    click.echo(f"value: {value[:VALUE_SHOWN]!r}{more}")


@dead_letters.command("retry")
@config_option
@click.argument("letter")
def dead_letters_retry(config: Path, letter: str) -> None:
    """Write the original record to its topic again, once its cause is mended. Approvals, control, actions: never; nor
    what came too late, which would again.

    The whole message is written, not only the row that was bad: its good rows are then dropped as duplicates.
    """
    place = LoopPlace.open(config)
    found = find_dead_letter(reader_of(place), letter)
    write_messages(place.connection(), place.loop, [retry_message(found)])
    click.echo(f"written again to {place.loop}.{found.origin_topic}")


@click.command()
@config_option
@click.option("--yes", "confirmed", help="The loop's name, to show that you mean it.")
def reset(config: Path, confirmed: str | None) -> None:
    """Delete the loop's topics with all state, journals and history. Stop its workers first."""
    place = LoopPlace.open(config)
    if confirmed != place.loop:
        raise SettingsError([f"this deletes everything that loop {place.loop} knows: confirm with --yes {place.loop}"])
    reset_groups(place.connection(), place.loop)  # refuses while a worker or an executor is still a member
    delete_topics(place.connection(), place.loop)
    click.echo(f"deleted the topics of {place.loop}; `flyball topics apply` makes them anew")
