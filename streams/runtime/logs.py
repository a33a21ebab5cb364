"""Structured logs: one JSON object per line on stderr; colours only on a terminal."""

import json
import logging
import sys
import time

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_COLOURS = {logging.WARNING: "\033[33m", logging.ERROR: "\033[31m", logging.CRITICAL: "\033[31;1m"}
_LIBRARIES = ("faust", "mode", "aiokafka", "asyncio", "kafka")
_REPEAT_S = 30.0
_LONGEST = 300


def set_up(*, role: str, instance: str, level: int = logging.INFO) -> None:
    """Send all logs of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    terminal = sys.stderr.isatty()
    handler.setFormatter(_Coloured() if terminal else _Json(role=role, instance=instance))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("flyball").setLevel(level)
    once = _LibraryFilter()
    handler.addFilter(once)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL)  # what it says comes back as an error, once


class _LibraryFilter(logging.Filter):
    """Libraries retry by themselves and say so with traces: one line with its cause each, and not again for a while."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.split(".")[0] not in _LIBRARIES:
            return True
        cause = f": {record.exc_info[1]!r}" if record.exc_info and record.exc_info[1] else ""
        record.exc_info = record.exc_text = record.stack_info = None
        record.msg, record.args = record.getMessage().split("\n")[0][:_LONGEST] + cause[:_LONGEST], ()
        now = time.monotonic()
        key = f"{record.name}:{record.lineno}"
        quiet = now - self._told.get(key, -_REPEAT_S) < _REPEAT_S
        if not quiet:
            self._told[key] = now
        return not quiet


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


class _Json(logging.Formatter):
    def __init__(self, *, role: str, instance: str) -> None:
        super().__init__()
        self._who = {"role": role, "instance": instance}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            **self._who,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Coloured(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        colour = _COLOURS.get(record.levelno, "")
        text = f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {record.getMessage()} {fields}".rstrip()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return f"{colour}{text}\033[0m" if colour else text
