"""The records that an executor writes: claims and ends, what it could not use, and that it is there."""

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from typing import Any, Literal

from .. import __version__, kafka
from ..errors import ContractError
from ..events import Action, DeadLetter, Outcome, Presence
from ..ids import Cause, derive

End = Literal["succeeded", "failed", "refused", "unknown"]


class OwnRecords:
    """Builds the records of one life of one executor."""

    def __init__(self, *, loop: str, group: str, executor: str, clock: Callable[[], int]) -> None:
        self._loop = loop
        self._group = group
        self._executor = executor
        self._clock = clock
        self._incarnation = secrets.token_hex(8)

    def outcome(
        self,
        action: str,
        entity: str,
        state: Literal["claimed"] | End,
        *,
        detail: str = "",
        started_us: int | None = None,
        cause: Cause | None = None,
    ) -> Outcome:
        """Return a claim or an end: claims have one id per life of an executor, ends one per executor and state.

        Two ends never share an id: readers drop the second of two records with one, and that may be the true end.
        """
        who = ("claim", self._incarnation) if state == "claimed" else ("end", state)
        now_us = self._clock()
        return Outcome(
            id=derive(self._loop, action, self._group, self._executor, *who),
            time_us=now_us,
            causes=() if cause is None else (str(cause),),
            action=action,
            entity=entity,
            group=self._group,
            executor=self._executor,
            state=state,
            started_us=started_us,
            ended_us=None if state == "claimed" else now_us,
            detail=detail,
        )

    def dead_letter(self, record: Any, error: ContractError) -> DeadLetter:
        """Return what tells that a record of `actions` could not be used, and why."""
        return DeadLetter(
            id=derive(self._loop, Action.TOPIC, record.partition(), record.offset(), self._group),
            time_us=self._clock(),
            origin_topic=Action.TOPIC,
            origin_partition=record.partition(),
            origin_offset=record.offset(),
            reason=error.reason,
            detail=error.detail,
            role=f"executor/{self._group}",
            original_key=record.key(),
            original_value=record.value(),
            original_headers=kafka.headers_of(record),
        )

    def presence(
        self,
        why: str | None,
        *,
        stopping: bool,
        in_flight: Sequence[str],
        partitions: tuple[int, ...],
        control_heard_us: int,
        control_offset: int,
    ) -> Presence:
        """Return that this executor is there; `why` it starts nothing, or None when it may."""
        now_us = self._clock()
        instance = f"executor/{self._group}/{self._executor}"
        return Presence(
            id=derive(self._loop, instance, self._incarnation, now_us),
            time_us=now_us,
            instance=instance,
            role="executor",
            version=__version__,
            pid=os.getpid(),
            host=socket.gethostname(),
            state="stopping" if stopping else "running" if why is None else "paused",
            control_heard_us=control_heard_us,
            control_offset=control_offset,
            partitions=partitions,
            in_flight=tuple(in_flight),
            why="" if why is None or stopping else why,
        )
