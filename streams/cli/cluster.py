"""`flyball kafka, topics`: the broker on this machine, and the loop's topics on any broker."""

import signal
import threading
from pathlib import Path

import click

from connectors.kafka.access import access_rules
from connectors.kafka.access_control import apply_acls
from schemas.topics import TOPICS, Topic
from streams.cli.options import config_option, json_option, print_json, print_table
from streams.operate.cluster import local_kafka, prepare_topics
from streams.operate.loop_place import LoopPlace

DAY_MS = 86_400_000


@click.command()
@config_option
@click.option("--brokers", type=click.Choice(["1", "3"]), default="1", show_default=True, help="How many.")
def kafka(config: Path, brokers: str) -> None:
    """Run an Apache Kafka for this loop, on loopback, until Ctrl-C. Its data stays in the loop's data folder."""
    place = LoopPlace.open(config)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    click.echo("starting Kafka (the first time fetches 43 MB)")
    with local_kafka(place, brokers=int(brokers)) as address:
        click.echo(f"Apache Kafka {address.version} listens on {address.connection.bootstrap}; Ctrl-C stops it")
        stop.wait()
    click.echo("stopped")


@click.group()
def topics() -> None:
    """Show who writes and reads the topics of a loop, and how long they are kept."""


@topics.command("list")
@json_option
def topics_list(*, as_json: bool) -> None:
    """Show the registry: what every topic is for, whatever Kafka says."""
    if as_json:
        print_json(list(TOPICS.values()))
        return
    columns = ["topic", "key", "partitions", "written by", "read by", "kept"]
    print_table("topics", columns, [_row(topic) for topic in TOPICS.values()])


@topics.command("apply")
@config_option
def topics_apply(config: Path) -> None:
    """Create missing topics and align the settings of the others; partition counts are never changed."""
    place = LoopPlace.open(config)
    report = prepare_topics(place, place.connection())
    for name in report.created:
        click.echo(f"created {name}")
    for name, changes in report.aligned.items():
        click.echo(f"aligned {name}: {', '.join(changes)}")
    counts = f"{len(report.created)} created, {len(report.aligned)} aligned, {len(report.unchanged)} as they were"
    click.echo(f"{place.loop}: {counts}")


@topics.command("access")
@config_option
@click.option("--apply", is_flag=True, help="Make the cluster's rules these: allow what is listed, withdraw the rest.")
@json_option
def topics_access(config: Path, *, apply: bool, as_json: bool) -> None:
    """Show the access-control rules that each role needs, as generated from the registry."""
    place = LoopPlace.open(config)
    rules = apply_acls(place.connection(), place.loop) if apply else access_rules(place.loop)
    if as_json:
        print_json(rules)
        return
    rows = [[rule.principal, rule.kind, rule.name, rule.pattern, ", ".join(rule.operations)] for rule in rules]
    print_table("access control", ["principal", "kind", "name", "match", "may"], rows)


def _row(topic: Topic) -> list[str]:
    kept = "latest per key" if topic.cleanup == "compact" else "for ever"
    if topic.cleanup == "delete" and topic.retention_ms > 0:
        kept = f"{topic.retention_ms / DAY_MS:.0f} days"
    return [
        topic.name,
        topic.key,
        f"{topic.partitions}{'*' if topic.scales else ''}",
        ", ".join(topic.written_by),
        ", ".join(topic.read_by),
        kept,
    ]
