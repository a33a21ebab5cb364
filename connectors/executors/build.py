"""From the section `[executors]` to handlers: only those that an action of the loop names are made."""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from connectors.executors.breaker import CircuitBreaker
from connectors.executors.command import CommandHandler
from connectors.executors.handler import Handler
from connectors.executors.post import Place
from connectors.executors.retries import Retries
from connectors.executors.runner import ExecutorSettings
from connectors.executors.settings import (
    CommandSettings,
    ExecutorsSettings,
    ForwardSettings,
    OneExecutor,
    WebhookSettings,
)
from connectors.executors.standard_webhooks import read_secrets
from connectors.executors.verified import VerifiedHandler
from connectors.executors.webhook import Target, WebhookHandler
from schemas.connection import KafkaConnection
from schemas.events import Action
from schemas.signing import Signer

_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What handlers need of the process that they run in.

    `folder`: where relative paths begin. `connection`, `signer_for` (prefix of a topic to signer): for `kafka`.
    `why_paused`: what stands against an undo now, or a request that had to wait. `built_in`: handlers that have no
    section of their own.
    """

    folder: Path
    environment: Mapping[str, str]
    connection: KafkaConnection
    signer_for: Callable[[str], Signer]
    why_paused: Callable[[Action], str | None]
    built_in: Mapping[str, Handler]


class Handlers:
    """A handler for every action, by name; `close` ends what they still have running."""

    def __init__(self, settings: ExecutorsSettings, executor_of: Mapping[str, str], surroundings: Surroundings) -> None:
        """Make them; `executor_of` maps actions to executors. Raises `SettingsError` where a secret is missing."""
        self._settings = settings
        self._here = surroundings
        self._targets: dict[str, Target] = {}
        self._made: dict[str, Handler] = dict(surroundings.built_in)
        self._closing = ExitStack()
        self.by_action = {action: self._whole(executor) for action, executor in executor_of.items()}

    def close(self) -> None:
        """Kill commands and give up connections."""
        self._closing.close()

    def _whole(self, name: str) -> Handler:
        """Return the handler of an executor together with its verification."""
        one = self._settings.declared().get(name)
        verify = None if one is None else one.verify
        if verify is None:
            return self._bare(name)
        undo_us = 0 if verify.undo is None else self._settings.declared()[verify.undo].timeout_us
        return VerifiedHandler(
            self._bare(name),
            self._bare(verify.by),
            within_s=verify.within_us / _SECOND_US,
            every_s=verify.every_us / _SECOND_US,
            undo=None if verify.undo is None else self._bare(verify.undo),
            undo_s=undo_us / _SECOND_US,
            why_paused=self._here.why_paused,
        )

    def _bare(self, name: str) -> Handler:
        if name not in self._made:
            self._made[name] = self._make(self._settings.declared()[name])
        return self._made[name]

    def _make(self, one: OneExecutor) -> Handler:
        match one:
            case WebhookSettings():
                return self._webhook(one)
            case CommandSettings():
                return self._command(one)
            case ForwardSettings():
                return self._kafka(one)
        raise TypeError(f"expected a kind of executor, got {type(one).__name__}")

    def _webhook(self, one: WebhookSettings) -> Handler:
        here = self._here
        return WebhookHandler(
            one.url,
            secrets=read_secrets(
                variable=one.secret_env, file=one.secret_file, folder=here.folder, environment=here.environment
            ),
            target=self._target(Place.parse(one.url).authority),
            idempotent=one.idempotent,
            private=one.private,
            ca_file=here.folder / one.ca_file if one.ca_file else None,
            why_paused=here.why_paused,
        )

    def _target(self, authority: str) -> Target:
        if authority not in self._targets:
            target = self._settings.target
            breaker = CircuitBreaker(failures=target.failures, open_s=target.open_us / _SECOND_US, clock=time.monotonic)
            self._targets[authority] = Target(concurrency=target.concurrency, breaker=breaker)
        return self._targets[authority]

    def _command(self, one: CommandSettings) -> Handler:
        environment = self._here.environment
        handler = CommandHandler(
            one.argv,
            environment={name: environment[name] for name in one.variables if name in environment},
            values=re.compile(one.values),
            refused_codes=one.refused_codes,
            idempotent=one.idempotent,
            folder=one.folder,
        )
        self._closing.callback(handler.close)
        return handler

    def _kafka(self, one: ForwardSettings) -> Handler:
        from connectors.executors.kafka import KafkaHandler  # noqa: PLC0415  # librdkafka loads only where it is meant

        prefix, name = one.place
        handler = KafkaHandler(
            self._here.connection,
            prefix=prefix,
            name=name,
            signer=self._here.signer_for(prefix),
            timeout_s=one.timeout_us / _SECOND_US,
            idempotent=one.idempotent,
        )
        self._closing.callback(handler.close)
        return handler


def executor_settings(settings: ExecutorsSettings, executor_of: Mapping[str, str], *, seed: int) -> ExecutorSettings:
    """Return how the runner shall work: places, retries, and for each action the time that its executor needs."""
    declared = settings.declared()
    retries = Retries(
        attempts=settings.attempts,
        pause_s=settings.pause_us / _SECOND_US,
        longest_s=settings.longest_pause_us / _SECOND_US,
        seed=seed,
    )
    return ExecutorSettings(
        concurrency=settings.concurrency,
        retries=retries,
        retries_of={
            action: msgspec.structs.replace(retries, timeout_s=settings.time_us(name) / _SECOND_US)
            for action, name in executor_of.items()
            if name in declared
        },
    )
