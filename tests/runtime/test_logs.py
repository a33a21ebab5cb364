"""What a worker logs: its own words whole, those of libraries in one line with the cause."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from streams.runtime import logs

Lines = Callable[[], list[dict[str, object]]]
CHANGED = ("", "flyball", "faust", "mode", "aiokafka", "asyncio", "kafka", "librdkafka")


@contextmanager
def set_up(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Log as a worker does, for as long as a test runs (a phase of its own for pytest), and give what was logged."""
    root = logging.getLogger()
    handlers, levels = list(root.handlers), {name: logging.getLogger(name).level for name in CHANGED}
    logs.set_up(role="detect", instance="w0")
    try:
        yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        root.handlers[:] = handlers
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def fail(logger: str, message: str) -> None:
    try:
        raise ValueError("not what was\nexpected")
    except ValueError:
        logging.getLogger(logger).exception(message)


@pytest.mark.parametrize("message", ["it went wrong", "it went wrong\nand here is how", "wrong " * 100])
def test_what_a_library_tells_is_one_line_that_names_the_cause(
    capsys: pytest.CaptureFixture[str], message: str
) -> None:
    with set_up(capsys) as lines:
        fail("aiokafka.consumer", message)
        (line,) = lines()
    said = str(line["message"])
    assert said.startswith(message.partition("\n")[0][:300])
    assert said.endswith(r": ValueError('not what was\nexpected')")
    assert len(said) < 400
    assert (line["level"], line["role"], line["instance"], "trace" in line) == ("error", "detect", "w0", False)


def test_it_is_not_told_again_for_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    with set_up(capsys) as lines:
        for _ in range(3):
            fail("aiokafka.consumer", "it went wrong")
        assert len(lines()) == 1


def test_what_a_worker_itself_tells_keeps_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with set_up(capsys) as lines:
        for _ in range(2):
            fail("flyball.worker", "a bug ends this worker")
        assert ["ValueError" in str(line["trace"]) for line in lines()] == [True, True]
