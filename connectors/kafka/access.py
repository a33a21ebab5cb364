"""Who may do what on a cluster: a table made from the topic registry, never by hand."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from schemas.topics import GROUP_SOURCES, SHARED_SOURCES, TOPICS, Reader

Kind = Literal["topic", "group", "transactional-id"]
Pattern = Literal["literal", "prefixed"]

PRINCIPALS: dict[str, tuple[Reader, ...]] = {
    "ingest": ("ingest",),
    "detect": ("detect",),
    "decide": ("decide",),
    "gate": ("gate",),
    "improve": ("improve",),
    "executor": ("executor",),
    "producer": ("producer",),
    "foreign": ("foreign",),
    "notifier": ("notifier",),
    "console": ("console",),
    "operator": ("cli", "person", "producer", "foreign"),
}
"""Who connects, and which readers and writers of the registry that is. `operator` is a person at the command line."""
ADMIN = "admin"
"""Who creates topics and removes them: `flyball topics apply`, `flyball reset`."""
RECOVERY = "recovery"
"""Who takes over from a role that cannot go on: `flyball recover`. Nobody needs these rights on an ordinary day."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One principal may do these operations on the resources of this name (or whose names begin with it)."""

    principal: str
    kind: Kind
    name: str
    pattern: Pattern
    operations: tuple[str, ...]


def user(loop: str, role: str) -> str:
    """Return the user name of a principal: `LOOP-ROLE`. Kafka calls it `User:LOOP-ROLE`."""
    return f"{loop}-{role}"


def access_rules(loop: str) -> tuple[Rule, ...]:
    """Return everything that the principals of a loop may do, sorted; all else is refused."""
    rules = [rule for role in PRINCIPALS for rule in (*_topics(loop, role), *_groups(loop, role), *_writes(loop, role))]
    return tuple(sorted([*rules, *_admin(loop), *_recovery(loop)]))


def as_commands(rules: Sequence[Rule], *, bootstrap: str) -> str:
    """Return the table as a shell script of `kafka-acls` commands; client settings are expected in admin.properties."""
    head = ["#!/bin/sh", "set -eu"]
    return "\n".join([*head, *(_command(rule, bootstrap) for rule in rules)]) + "\n"


def as_markdown(rules: Sequence[Rule]) -> str:
    """Return the table for people."""
    head = ["| principal | kind | name | pattern | may |", "|---|---|---|---|---|"]
    rows = (
        f"| `{rule.principal}` | {rule.kind} | `{rule.name}` | {rule.pattern} | {', '.join(rule.operations)} |"
        for rule in rules
    )
    return "\n".join([*head, *rows]) + "\n"


def as_json(rules: Sequence[Rule]) -> str:
    """Return the table for programs: a list of objects."""
    return msgspec.json.format(msgspec.json.encode(rules), indent=2).decode() + "\n"


def _topics(loop: str, role: str) -> Iterator[Rule]:
    parts = set(PRINCIPALS[role])
    for topic in TOPICS.values():
        reads, writes = parts & set(topic.read_by), parts & set(topic.written_by)
        operations = (*(("read",) if reads else ()), *(("write",) if writes else ()))
        if operations:
            yield _exact(loop, role, "topic", topic.full_name(loop), operations)


def _groups(loop: str, role: str) -> Iterator[Rule]:
    if role in GROUP_SOURCES:
        yield _exact(loop, role, "group", f"{loop}.{role}", ("read",))
    if role == "executor":
        yield _beginning(loop, role, "group", f"{loop}.executor.", ("read",))
    if any(set(PRINCIPALS[role]) & set(topic.read_by) for topic in TOPICS.values()):
        # librdkafka asks for the coordinator of its group even where it assigns partitions by hand and commits nothing.
        yield from _readers(loop, role)


def _readers(loop: str, role: str) -> Iterator[Rule]:
    for name in (*_UNUSED_GROUPS, f"{loop}-reader"):
        yield _exact(loop, role, "group", name, ("describe",))


_UNUSED_GROUPS = ("flyball-tail",)
"""Groups of consumers that read without a group."""


def _writes(loop: str, role: str) -> Iterator[Rule]:
    if role in GROUP_SOURCES:
        yield _beginning(loop, role, "transactional-id", f"{loop}/{role}/", ("describe", "write"))


def _admin(loop: str) -> Iterator[Rule]:
    may = ("alter-configs", "create", "delete", "describe", "describe-configs")
    yield _beginning(loop, ADMIN, "topic", f"{loop}.", may)
    yield _beginning(loop, ADMIN, "group", f"{loop}.", ("delete", "describe"))


def _recovery(loop: str) -> Iterator[Rule]:
    """Fold what any role folds, and write its journal, its snapshot, its `Loss` events, and the gate's rest."""
    own = {f"{kind}-{role}" for kind in ("journal", "state") for role in GROUP_SOURCES}
    reads = {*own, *SHARED_SOURCES, *(topic for sources in GROUP_SOURCES.values() for topic in sources)}
    writes = {*own, "insights", "control"}
    for name in reads:
        operations = ("read", "write") if name in writes else ("read",)
        yield _exact(loop, RECOVERY, "topic", TOPICS[name].full_name(loop), operations)
    yield from _readers(loop, RECOVERY)
    yield _beginning(loop, RECOVERY, "transactional-id", f"{loop}/", ("describe", "write"))


def _exact(loop: str, role: str, kind: Kind, name: str, operations: tuple[str, ...]) -> Rule:
    return Rule(principal=f"User:{user(loop, role)}", kind=kind, name=name, pattern="literal", operations=operations)


def _beginning(loop: str, role: str, kind: Kind, name: str, operations: tuple[str, ...]) -> Rule:
    return Rule(principal=f"User:{user(loop, role)}", kind=kind, name=name, pattern="prefixed", operations=operations)


def _command(rule: Rule, bootstrap: str) -> str:
    words = ["kafka-acls.sh", "--bootstrap-server", bootstrap, "--command-config", "admin.properties", "--add"]
    words += ["--allow-principal", rule.principal, f"--{rule.kind}", rule.name]
    words += ["--resource-pattern-type", rule.pattern]
    words += [word for operation in rule.operations for word in ("--operation", operation)]
    return shlex.join(words)
