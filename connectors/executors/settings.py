"""The section `[executors]` of a `loop.toml`: what carries actions out. It says nothing that the gate decides by."""

import re
from typing import Annotated

import msgspec

from connectors.executors.argv import SAFE_VALUE, problems_of
from connectors.executors.post import Place
from schemas.topics import TOPICS

Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Wait = Annotated[int, msgspec.Meta(ge=1_000, le=3_600_000_000)]
"""From 1 ms to an hour, in us."""


class VerifySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What tells whether an action took (`by`: another executor, `KIND.NAME`), how often and how long it is asked.

    `undo` names the executor that takes the action back when it did not.
    """

    by: str
    every_us: Wait = 1_000_000
    within_us: Wait = 10_000_000
    undo: str | None = None


class OneExecutor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every executor has. `idempotent`: a second time with the same action id does nothing more."""

    timeout_us: Wait = 15_000_000
    idempotent: bool = False
    verify: VerifySettings | None = None


class WebhookSettings(OneExecutor, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signed POST. The secret is in the variable `secret_env` or in the file `secret_file`, beside the loop.toml."""

    url: str
    secret_env: str = ""
    secret_file: str = ""
    ca_file: str = ""
    plain_http: bool = False
    private: bool = False

    def __post_init__(self) -> None:
        found = []
        try:
            if not Place.parse(self.url).secure and not self.plain_http:
                found.append(f'url must begin with https:// unless plain_http is true, got "{self.url}"')
        except ValueError as error:
            found.append(f"url {error}")
        if bool(self.secret_env) == bool(self.secret_file):
            found.append("secret_env or secret_file must say where the secret is, one of them")
        _refuse(found)


class CommandSettings(OneExecutor, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program with arguments. `variables` are those of the environment that it gets, by name."""

    argv: tuple[str, ...]
    values: str = SAFE_VALUE.pattern
    variables: tuple[str, ...] = ()
    refused_codes: tuple[Annotated[int, msgspec.Meta(ge=1, le=255)], ...] = ()
    folder: str = "/"

    def __post_init__(self) -> None:
        found = list(problems_of(self.argv))
        try:
            re.compile(self.values)
        except re.error as error:
            found.append(f'values must be a regular expression, got "{self.values}": {error}')
        if not self.folder.startswith("/"):
            found.append(f'folder must be an absolute path, got "{self.folder}"')
        _refuse(found)


class ForwardSettings(OneExecutor, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A topic `PREFIX.NAME` of the same cluster that actions are passed on to."""

    topic: str

    def __post_init__(self) -> None:
        if not all(self.place):
            _refuse([f'topic must be PREFIX.NAME, got "{self.topic}"'])
        if self.place[1] in TOPICS:
            _refuse([f'topic must not be one that a loop has itself, got "{self.topic}"'])

    @property
    def place(self) -> tuple[str, str]:
        """Audience (`plant`) and name (`commands`) of the topic `plant.commands`: a signature binds both."""
        prefix, _, name = self.topic.rpartition(".")
        return prefix, name


class TargetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How webhooks treat one host and port: requests at a time; failures in a row that open its breaker, how long."""

    concurrency: Count = 4
    failures: Count = 5
    open_us: Wait = 30_000_000


class ExecutorsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How actions are carried out, and by what: `KIND.NAME` for each table of `webhook`, `command` and `kafka`."""

    concurrency: Count = 4
    limit: str = "60/minute"
    attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    pause_us: Wait = 1_000_000
    longest_pause_us: Wait = 30_000_000
    hosts: tuple[str, ...] = ()
    target: TargetSettings = TargetSettings()
    webhook: dict[str, WebhookSettings] = {}
    command: dict[str, CommandSettings] = {}
    kafka: dict[str, ForwardSettings] = {}

    def __post_init__(self) -> None:
        declared = self.declared()
        found = [
            f'hosts must name the host of webhook.{name}: "{Place.parse(one.url).host}"'
            for name, one in self.webhook.items()
            if Place.parse(one.url).host not in self.hosts
        ]
        looking = [name for name in declared if not name.startswith("kafka.")]
        for name, one in declared.items():
            if one.verify is not None and one.verify.by not in looking:
                found.append(f'{name}.verify.by must name one of {", ".join(looking)}, got "{one.verify.by}"')
            if one.verify is not None and one.verify.undo not in (None, *declared):
                found.append(f'{name}.verify.undo must name one of {", ".join(declared)}, got "{one.verify.undo}"')
        _refuse(found)

    def declared(self) -> dict[str, OneExecutor]:
        """Return every executor by the name that `[actions.NAME] executor` gives it."""
        kinds: tuple[tuple[str, dict[str, OneExecutor]], ...] = (
            ("webhook", dict(self.webhook)),
            ("command", dict(self.command)),
            ("kafka", dict(self.kafka)),
        )
        return {f"{kind}.{name}": one for kind, table in kinds for name, one in table.items()}

    def time_us(self, name: str) -> int:
        """Return how long an executor may take in all: its own time, and those of verification and undo."""
        declared = self.declared()
        one = declared[name]
        if one.verify is None:
            return one.timeout_us
        undo_us = 0 if one.verify.undo is None else declared[one.verify.undo].timeout_us
        return one.timeout_us + one.verify.within_us + undo_us


def _refuse(found: list[str]) -> None:
    """Raise what is wrong as the reader of settings wants it: problems that begin with a field's name, by "; "."""
    if found:
        raise ValueError("; ".join(found))
