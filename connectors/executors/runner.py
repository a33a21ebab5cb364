"""The executor: takes actions, has them done by handlers, a few at a time, and sees that each gets one end."""

import threading
import time
from collections.abc import Mapping

import msgspec

from connectors.executors.handler import Handler
from connectors.executors.retries import Retries
from connectors.executors.work import Actions, Work
from schemas.errors import FlyballError
from schemas.events import Action

_POLL_S = 0.2


class ExecutorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many actions at a time, how each is tried, and how long running ones may take once told to stop.

    `retries_of` holds, by name of action, what differs from `retries`.
    """

    concurrency: int = 4
    retries: Retries = Retries()
    retries_of: dict[str, Retries] = {}
    stop_s: float = 3.0


class StuckError(FlyballError):
    """Every place is held by a handler that overran its time: the process must be started again."""


def run_executor(
    actions: Actions,
    handlers: Mapping[str, Handler],
    *,
    stop: threading.Event,
    settings: ExecutorSettings = ExecutorSettings(),  # noqa: B008  # frozen
) -> None:
    """Take and do actions until `stop` is set, then wait for those that run, at most `stop_s`, and until ends are told.

    `handlers` by name of action; actions of other names are left to other groups, unclaimed. Takes only while a place
    is free, so nothing is claimed that cannot start at once, and rests meanwhile. Raises `StuckError`, and whatever
    reporting an end raises (such as `BrokerError`).
    """
    running: list[Work] = []
    try:
        while not stop.is_set():
            running = _still_running(running, settings.concurrency)
            if len(running) >= settings.concurrency:
                actions.rest(_POLL_S / 10)
                continue
            action = actions.poll(_POLL_S, names=handlers)
            if action is not None:
                running.append(_begin(action, handlers, actions=actions, settings=settings, stop=stop))
    finally:
        failures = _finish(running, settings.stop_s)
    if failures:
        raise failures[0]


def _begin(
    action: Action,
    handlers: Mapping[str, Handler],
    *,
    actions: Actions,
    settings: ExecutorSettings,
    stop: threading.Event,
) -> Work:
    retries = settings.retries_of.get(action.action, settings.retries)
    work = Work(action=action, handler=handlers[action.action], actions=actions, retries=retries, stopping=stop)
    work.start()
    return work


def _still_running(works: list[Work], concurrency: int) -> list[Work]:
    running = [work for work in works if work.running()]
    for work in works:  # behind it: who fails meanwhile still runs and is looked at again
        if work.failure is not None:
            raise work.failure
    if len(running) >= concurrency and all(work.overran for work in running):
        names = ", ".join(work.action.action for work in running)
        raise StuckError(f"handlers overran their time and still run ({names}): start the executor again")
    return running


def _finish(works: list[Work], stop_s: float) -> list[BaseException]:
    """Wait for works and give up what still runs; returns what went wrong with some."""
    until_s = time.monotonic() + stop_s
    for work in works:
        work.wait(max(0.0, until_s - time.monotonic()))
        if work.failure is None:
            work.give_up("the executor stopped before the action ended")
    return [work.failure for work in works if work.failure is not None]
