"""Did it take? What is reported when a second look agrees, disagrees, or cannot tell; and what is taken back."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.executors.command import CommandHandler
from connectors.executors.handler import Handler, Result, State
from connectors.executors.retries import Retries
from connectors.executors.runner import ExecutorSettings
from connectors.executors.verified import VerifiedHandler
from connectors.executors.webhook import Target, WebhookHandler
from schemas.events import Action
from tests.connectors.http_target import HttpTarget, says
from tests.connectors.memory import Memory, Scripted, action, execute
from tests.connectors.test_executor_webhook import SECRET, breaker
from tests.patience import PATIENCE_S


def result(state: State, detail: str = "") -> Callable[[], Result]:
    return lambda: Result(state=state, detail=detail)


def blow_up() -> Result:
    raise RuntimeError("sparks")


def verified(
    handler: Handler,
    check: Handler,
    undo: Handler | None = None,
    *,
    within_s: float = 0.2,
    why_not: str | None = None,
) -> VerifiedHandler:
    return VerifiedHandler(
        handler, check, within_s=within_s, every_s=0.05, undo=undo, undo_s=0.1, why_paused=lambda _: why_not
    )


DONE, NOT_DONE, MAYBE = result("succeeded", "done"), result("failed", "no"), result("unknown", "?")
CASES: list[tuple[Callable[[], Result], tuple[Callable[[], Result], ...], State, str]] = [
    # the handler, the checks one by one, state, detail
    (DONE, (DONE,), "succeeded", "done; verified after "),
    (DONE, (NOT_DONE, MAYBE, DONE), "succeeded", "done; verified after "),
    (MAYBE, (NOT_DONE, DONE), "succeeded", "?; verified after "),
    (DONE, (NOT_DONE,), "failed", "done; not verified within 0.2 s (failed: no)"),
    (DONE, (result("refused"),), "failed", "done; not verified within 0.2 s (refused)"),
    (DONE, (MAYBE,), "unknown", "done; not verified within 0.2 s (unknown: ?); not undone"),
    (DONE, (blow_up,), "unknown", "done; not verified within 0.2 s (unknown: RuntimeError: sparks); not undone"),
    (MAYBE, (NOT_DONE,), "unknown", "?; not verified within 0.2 s (failed: no)"),
    (NOT_DONE, (DONE,), "failed", "no"),
    (result("refused", "not I"), (DONE,), "refused", "not I"),
]


@pytest.mark.parametrize(("handler", "checks", "state", "detail"), CASES)
def test_a_check_decides_what_an_action_came_to(
    handler: Callable[[], Result], checks: tuple[Callable[[], Result], ...], state: State, detail: str
) -> None:
    within_s = 0.2 if state != "succeeded" else 10.0
    found = verified(Scripted(handler), Scripted(*checks), within_s=within_s).run(action(), timeout_s=11)
    assert found.state == state
    assert found.detail.startswith(detail)


UNDO: list[tuple[Callable[[], Result], str | None, State, str]] = [
    (result("succeeded", "put back"), None, "failed", "undone"),
    (result("failed", "stuck"), None, "unknown", "undo failed: stuck"),
    (blow_up, None, "unknown", "undo unknown: RuntimeError: sparks"),
    (result("succeeded"), "stopped by ann", "failed", "not undone: stopped by ann"),
]


@pytest.mark.parametrize(("undo", "why_not", "state", "detail"), UNDO)
def test_what_did_not_take_is_taken_back_once_and_that_is_told(
    undo: Callable[[], Result], why_not: str | None, state: State, detail: str
) -> None:
    undoing = Scripted(undo)
    handler = verified(Scripted(DONE, idempotent=True), Scripted(NOT_DONE), undoing, why_not=why_not)
    memory = Memory(action())
    execute(memory, {"mend": handler}, ExecutorSettings(retries=Retries(timeout_s=1, pause_s=0.01)))
    assert memory.ends == [("action-1", state, f"done; not verified within 0.2 s (failed: no); {detail}")]
    assert undoing.attempts == (why_not is None)


def test_nothing_is_taken_back_that_took_or_may_be_under_way() -> None:
    for handler, check in ((DONE, DONE), (MAYBE, NOT_DONE), (NOT_DONE, NOT_DONE), (DONE, MAYBE)):
        undoing = Scripted(DONE)
        verified(Scripted(handler), Scripted(check), undoing).run(action(), timeout_s=1)
        assert undoing.attempts == 0


def unasked(tmp_path: Path) -> list[tuple[str, Handler]]:
    closed = CommandHandler(("/bin/true",), environment={})
    closed.close()
    nobody = "http://127.0.0.1:1/"
    hook = WebhookHandler(nobody, secrets=(SECRET,), target=Target(concurrency=1, breaker=breaker()), private=True)
    return [
        ("failed: not sent: cannot connect", hook),
        ("failed: not started: ", CommandHandler((f"{tmp_path}/no-such-program",), environment={})),
        ("refused: the executor is stopping", closed),
        ("refused: ", CommandHandler(("/bin/true", "{entity}"), environment={}, values=re.compile("none"))),
    ]


def test_what_no_check_could_ask_about_is_unknown_and_not_taken_back(tmp_path: Path) -> None:
    for said, check in unasked(tmp_path):
        undoing = Scripted(DONE)
        found = verified(Scripted(DONE), check, undoing).run(action(), timeout_s=11)
        assert (found.state, undoing.attempts) == ("unknown", 0), said
        assert found.detail.startswith(f"done; not verified within 0.2 s ({said}")
        assert found.detail.endswith("; not undone")


def test_a_check_that_is_told_to_come_later_takes_nothing_back() -> None:
    with HttpTarget(says(429)) as server:
        check = WebhookHandler(
            server.url, secrets=(SECRET,), target=Target(concurrency=1, breaker=breaker()), private=True
        )
        undoing = Scripted(DONE)
        found = VerifiedHandler(Scripted(DONE), check, undo=undoing, undo_s=5, within_s=0.5, every_s=0.1)
        assert found.run(action(), timeout_s=11).state == "unknown"
    assert undoing.attempts == 0


def test_a_handler_has_the_time_that_check_and_undo_do_not_need() -> None:
    times: list[float] = []

    class Timed:
        idempotent = False

        def run(self, _: Action, *, timeout_s: float) -> Result:
            times.append(timeout_s)
            return DONE()

    verified(Timed(), Scripted(DONE), Scripted(DONE)).run(action(), timeout_s=5)
    assert times == [pytest.approx(4.7)]


def test_commands_verify_and_undo_each_other(tmp_path: Path) -> None:
    def command(text: str) -> CommandHandler:
        return CommandHandler(("/bin/sh", "-c", f"cd {tmp_path}; {text}"), environment={"PATH": "/bin:/usr/bin"})

    works = VerifiedHandler(
        command("(sleep 0.3; touch up) >&- 2>&- &"), command("test -e up"), within_s=PATIENCE_S / 2, every_s=0.05
    )
    assert works.run(action(), timeout_s=PATIENCE_S).state == "succeeded"
    (tmp_path / "up").unlink()
    does_not = VerifiedHandler(
        command("touch begun"), command("test -e up"), undo=command("rm begun"), undo_s=30, within_s=0.3, every_s=0.05
    )
    assert does_not.run(action(), timeout_s=PATIENCE_S).detail.endswith("(failed: exit code 1); undone")
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_drops_known_ids_still_answers_every_check_and_the_undo() -> None:
    with HttpTarget(says(200), says(404)) as server, HttpTarget(says(200)) as undoing:
        hook, undo = (
            WebhookHandler(one.url, secrets=(SECRET,), target=Target(concurrency=1, breaker=breaker()), private=True)
            for one in (server, undoing)
        )
        found = VerifiedHandler(hook, hook, undo=undo, undo_s=5, within_s=0.5, every_s=0.1).run(action(), timeout_s=11)
    assert found.detail == "answered 200; not verified within 0.5 s (refused: answered 404); undone"
    ids = [headers["webhook-id"] for headers in (*server.asked, *undoing.asked)]
    assert ids[0] == "action-1"
    assert len(set(ids)) == len(ids) > 2


def test_checks_end_in_time() -> None:
    begun_s = time.monotonic()
    verified(Scripted(DONE), Scripted(NOT_DONE)).run(action(), timeout_s=1)
    assert time.monotonic() - begun_s < 5
