"""Actions as commands, with real processes: what becomes an argument, what an exit means, what is left afterwards."""

import os
import re
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.executors.argv import ValueNotAllowedError, fill, problems_of
from connectors.executors.command import CommandHandler
from connectors.executors.handler import State
from tests.connectors.memory import Memory, action, execute
from tests.patience import PATIENCE_S, eventually

ANY_VALUE = re.compile(r"(?s).*")


def shell(text: str, **settings: object) -> CommandHandler:
    """Run a script; `{entity}` and the like are arguments of it, never part of it."""
    return CommandHandler(("/bin/sh", "-c", text, "script", "{entity}"), environment={}, **settings)  # type: ignore[arg-type]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def await_gone(pids: list[int]) -> None:
    eventually(lambda: not any(is_alive(pid) for pid in pids))


EXITS: list[tuple[str, State, str]] = [
    ("echo done; exit 0", "succeeded", "done"),
    ("echo out; echo no such pump >&2; exit 3", "failed", "exit code 3: out\nno such pump"),
    ("exit 7", "refused", "exit code 7"),
    ("kill -TERM $$", "unknown", "ended by signal 15"),
    ("printf '\\033[31mred\\377'", "succeeded", " [31mred\ufffd"),
    ("exec >&- 2>&-; sleep 0.2; exit 3", "failed", "exit code 3"),
]


@pytest.mark.parametrize(("text", "state", "detail"), EXITS)
def test_an_exit_means_one_state_and_its_output_is_told(text: str, state: State, detail: str) -> None:
    result = shell(text, refused_codes=(7,)).run(action(), timeout_s=PATIENCE_S)
    assert (result.state, result.detail) == (state, detail)


def test_only_the_end_of_a_long_output_is_kept() -> None:
    result = shell("yes x | head -c 5000000; echo; echo end").run(action(), timeout_s=PATIENCE_S)
    assert result.state == "succeeded"
    assert len(result.detail) == 2000
    assert result.detail.endswith("x\n\nend")


def test_a_command_gets_the_variables_that_it_is_given_and_no_others() -> None:
    handler = CommandHandler(("/usr/bin/env",), environment={"LANG": "C", "MODE": "careful"})
    result = handler.run(action(), timeout_s=PATIENCE_S)
    assert sorted(result.detail.split()) == ["LANG=C", "MODE=careful"]


def test_a_timeout_kills_the_command_and_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    note = f"echo $! >> {pids}"
    text = f"sleep 600 & {note}; (sleep 600 & {note}; wait) & {note}; echo begun; sleep 600"
    begun_s = time.monotonic()
    result = shell(text).run(action(), timeout_s=2.0)
    assert time.monotonic() - begun_s < 10
    assert (result.state, result.detail) == ("unknown", "killed after 2 s: begun")
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 3
    await_gone(started)


def test_a_service_left_behind_that_writes_for_ever_does_not_hold_its_action() -> None:
    begun_s = time.monotonic()
    result = shell("yes & yes & yes & yes & sleep 0.1; exec /bin/true").run(action(), timeout_s=10)
    assert result.state == "succeeded"
    assert time.monotonic() - begun_s < 5
    quiet = shell("sleep 3 & echo begun").run(action(), timeout_s=10)
    assert (quiet.state, quiet.detail) == ("succeeded", "begun")


def test_an_executor_that_stops_leaves_no_command_behind(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    handler = shell(f"sleep 600 & echo $$ $! > {pids}; wait")
    thread = threading.Thread(target=handler.run, args=(action(),), kwargs={"timeout_s": 600})
    thread.start()
    eventually(lambda: pids.exists() and pids.read_text().split())
    handler.close()
    thread.join(PATIENCE_S)
    await_gone([int(pid) for pid in pids.read_text().split()])
    assert handler.run(action(), timeout_s=1).state == "refused"


def test_a_program_that_is_not_there_is_a_failed_action_and_is_not_tried_again() -> None:
    memory = Memory(action())
    execute(memory, {"mend": CommandHandler(("/no/such/program",), environment={}, idempotent=True)})
    ((_, state, detail),) = memory.ends
    assert state == "failed"
    assert detail.startswith("not started: ")


def test_a_dry_run_starts_nothing(tmp_path: Path) -> None:
    memory = Memory(action(dry_run=True))
    execute(memory, {"mend": shell(f"touch {tmp_path}/done")})
    assert memory.ends[0][1:] == ("succeeded", "dry run: nothing was done")
    assert list(tmp_path.iterdir()) == []


BAD_VALUES = [
    "--force",
    "-rf",
    "-",
    "",
    "a b",
    "a\nb",
    "a;b",
    "$(id)",
    "`id`",
    "../../etc",
    "/etc/passwd",
    "*",
    "a\0b",
    "é",
    "x" * 300,
]


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_that_could_be_more_than_a_value_never_reaches_a_program(value: str, tmp_path: Path) -> None:
    handler = CommandHandler(("/usr/bin/touch", f"{tmp_path}/{{entity}}"), environment={})
    result = handler.run(action(entity=value), timeout_s=PATIENCE_S)
    assert result.state == "refused"
    assert list(tmp_path.iterdir()) == []


def test_a_parameter_that_is_missing_or_not_allowed_refuses_the_action() -> None:
    handler = CommandHandler(("/bin/echo", "--grace={parameters.grace}", "{action}"), environment={})
    assert handler.run(action(parameters={"grace": "5s"}), timeout_s=PATIENCE_S).detail == "--grace=5s mend"
    assert handler.run(action(), timeout_s=10).detail == "the action has no parameters.grace"
    assert handler.run(action(parameters={"grace": "5 s"}), timeout_s=10).detail.startswith(
        "expected parameters.grace to"
    )


@given(value=st.text(max_size=20) | st.sampled_from(["-rf", "--force", "-", "--"]))
def test_whatever_is_allowed_no_argument_turns_into_an_option_and_none_is_added(value: str) -> None:
    argv = ("/bin/echo", "{entity}", "x{entity}", "--name={entity}", "{parameters.p}{entity}", "plain")
    one = action(entity=value, parameters={"p": value})
    if value.startswith("-") or "\0" in value:
        with pytest.raises(ValueNotAllowedError):
            fill(argv, one, values=ANY_VALUE)
    else:
        filled = fill(argv, one, values=ANY_VALUE)
        assert filled == ["/bin/echo", value, f"x{value}", f"--name={value}", value + value, "plain"]


def test_a_value_that_looks_like_a_place_is_not_filled_in_again() -> None:
    one = action(entity="{id}", parameters={"p": "{entity}"})
    assert fill(("/bin/echo", "{entity}{parameters.p}"), one, values=ANY_VALUE) == ["/bin/echo", "{id}{entity}"]


TEMPLATES = [
    ((), "argv must begin with the absolute path of a program"),
    (("restart",), "argv must begin with the absolute path of a program"),
    (("/bin/{entity}",), "argv must begin with the absolute path of a program"),
    (("/bin/a", "{host}"), "argv knows {id}, {action}, {entity} and {parameters.NAME}, got {host}"),
    (("/bin/a", "a\0b"), "argv must not hold a null character"),
    (("/bin/a", "{{.State}}", '{"a": 1}', "{}", "{entity}"), None),
]


@pytest.mark.parametrize(("argv", "problem"), TEMPLATES)
def test_a_template_is_judged_before_anything_runs(argv: tuple[str, ...], problem: str | None) -> None:
    assert list(problems_of(argv)) == ([] if problem is None else [problem])


def test_a_real_program_gets_its_arguments_exactly() -> None:
    program = (sys.executable, "-c", "import sys; print(sys.argv[1:])", "{entity}", "-v", "{id}")
    handler = CommandHandler(program, environment={"PATH": os.defpath})
    assert handler.run(action(entity="web-3.eu:80"), timeout_s=PATIENCE_S).detail == "['web-3.eu:80', '-v', 'action-1']"
