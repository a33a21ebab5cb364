"""One broker process: format its storage, start it under a guardian, end it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from connectors.kafka.properties import Node
from schemas.errors import BrokerError

GUARDIAN = Path(__file__).with_name("guardian.py")
GRACE_S = 10.0
FORMAT_S = 60.0
_SMALL_JVM = ("-XX:+UseSerialGC", "-Xshare:auto")
_QUICK_JVM = ("-XX:TieredStopAtLevel=1",)
"""Without the optimising compiler: 0.7 s less to start, and a third more on the way from event to action."""
_MEMORY = ("-Xms128m", "-Xmx384m")


class NodeProcess:
    """The life of one broker process; a stopped one can be started again on the same folder."""

    def __init__(self, *, node: Node, java: Path, jars: Sequence[Path], lasting: bool) -> None:
        self.node = node
        self._lasting = lasting
        self._java = str(java)
        self._class_path = os.pathsep.join(str(jar) for jar in jars)
        self._guardian: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def begin_format(self, cluster_id: str, options: Sequence[str]) -> "subprocess.Popen[str] | None":
        """Start formatting a new storage folder; None when it already holds a cluster's data."""
        if (self.node.storage / "meta.properties").exists():
            return None
        command = [*self._jvm(*_QUICK_JVM), "kafka.tools.StorageTool", "format", "-t", cluster_id]
        command += ["-c", str(self.node.properties), *options]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def end_format(self, running: "subprocess.Popen[str] | None") -> None:
        """Wait for it; raises `BrokerError` with what the tool said."""
        if running is None:
            return
        try:
            said, _ = running.communicate(timeout=FORMAT_S)
        except BaseException:  # a tool left behind would go on writing into a folder that we gave up
            running.kill()
            running.wait()
            raise
        if running.returncode != 0:
            raise BrokerError(f"expected to format {self.node.storage}, but Kafka says: {_telling(said.splitlines())}")

    def start(self, *, keep_open: Sequence[int] = ()) -> None:
        """Start the broker; returns when the process exists, which is before it answers.

        Its guardian keeps the descriptors open as long as the broker lives.
        """
        command = [sys.executable, "-I", "-S", str(GUARDIAN), str(GRACE_S)]
        command += [
            *self._jvm(*_MEMORY, *(() if self._lasting else _QUICK_JVM)),
            "kafka.Kafka",
            str(self.node.properties),
        ]
        with (self.node.folder / "jvm.log").open("wb") as noise:
            self._guardian = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=noise,
                cwd=self.node.folder,
                pass_fds=keep_open,
                start_new_session=True,  # Ctrl-C is for us; the broker ends after the workers that write to it
            )
        assert self._guardian.stdout is not None  # noqa: S101  # PIPE was asked for
        line = self._guardian.stdout.readline()
        if not line.strip().isdigit():
            raise BrokerError(f"expected a broker process, but its guardian ended: {self.last_words()}")
        self.pid = int(line)

    def alive(self) -> bool:
        """Say whether the process is there."""
        return self._guardian is not None and self._guardian.poll() is None

    def begin_stop(self) -> None:
        """Ask for a clean end: the guardian sends SIGTERM, then SIGKILL."""
        if self._guardian is not None and self._guardian.stdin is not None:
            with suppress(OSError):
                self._guardian.stdin.close()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        if self._guardian is not None and self._guardian.stdin is not None:
            with suppress(OSError, ValueError):
                self._guardian.stdin.write(b"k")
                self._guardian.stdin.flush()
        self.wait()

    def wait(self) -> None:
        """Return when the process has ended."""
        guardian, self._guardian, self.pid = self._guardian, None, 0
        if guardian is None:
            return
        try:
            guardian.wait(GRACE_S + 5)
        except subprocess.TimeoutExpired:  # it dies, and its child with it
            guardian.kill()
            guardian.wait()
        for pipe in (guardian.stdin, guardian.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def last_words(self) -> str:
        """Return the end of what the broker said about itself: its errors, else its last lines."""
        lines: list[str] = []
        for path in (self.node.log, self.node.folder / "jvm.log"):
            with suppress(OSError):
                lines += path.read_text(errors="replace").splitlines()[-200:]
        return _telling(lines) or f"nothing in {self.node.folder}"

    def require_alive(self) -> None:
        """Raise `BrokerError` with the broker's last words when it ended by itself."""
        if not self.alive():
            words = self.last_words()
            self.wait()
            raise BrokerError(f"Kafka broker {self.node.number} ended while starting: {words}")

    def _jvm(self, *options: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.node.log4j.as_uri()}"
        return [self._java, *options, *_SMALL_JVM, logging, "-cp", self._class_path]


def _telling(lines: Sequence[str]) -> str:
    """Return the lines that name errors, else the last ones: short enough for one message."""
    errors = [line for line in lines if any(word in line for word in (" ERROR ", " FATAL ", "Exception", "Error:"))]
    return " | ".join((errors or lines[-3:])[:3])[:800]
