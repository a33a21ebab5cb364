"""The stop file: a file of this machine whose mere existence stops a loop here, without Kafka and without keys."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

_READ_LIMIT = 16_384
_READABLE = 0o644


class StopNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a stop file says inside, for people: who wrote it, when, and why. Nothing depends on it."""

    by: str
    time_us: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StopFile:
    """Whether a loop is stopped on this machine: it is while anything lies at `path`, and where that cannot be seen."""

    path: Path

    def why(self) -> str | None:
        """Return why everything is stopped here, or None. What it costs is one look at the file system."""
        try:
            os.lstat(self.path)
        except FileNotFoundError:
            return None if self._folder_is_there() else f"stop file {self.path}: its folder is not there"
        except (OSError, ValueError) as error:
            return f"stop file {self.path} cannot be looked for: {getattr(error, 'strerror', None) or error}"
        return f"stop file {self.path}"

    def write(self, note: StopNote) -> bool:
        """Stop everything here, at once and whole; return False where it was stopped already. Raises `OSError`."""
        if os.path.lexists(self.path):
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        written = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(msgspec.json.encode(note) + b"\n")
                os.fchmod(file.fileno(), _READABLE)  # who stops learns why, whoever runs it
                file.flush()
                os.fsync(file.fileno())
            written.replace(self.path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
        return True

    def remove(self) -> bool:
        """End the stop; return False where there was none. Raises `OSError`."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True

    def note(self) -> StopNote | None:
        """Return what the file says, or None where it cannot be read or somebody made it by hand."""
        try:
            with self.path.open("rb") as file:
                return msgspec.json.decode(file.read(_READ_LIMIT), type=StopNote)
        except (OSError, ValueError):
            return None

    def _folder_is_there(self) -> bool:
        try:
            return self.path.parent.is_dir()
        except OSError:
            return False
