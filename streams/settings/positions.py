"""In which line of a TOML text each key stands (the standard library's parser gives values only).

The text must be valid TOML: `tomllib` has judged it before, so this scanner only follows it.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

Path = tuple[str, ...]

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\#[^\n]*)
      | (?P<text>\"\"\"(?:\\.|[^\\])*?\"\"\"\"{0,2} | '''.*?''''{0,2} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
      | (?P<mark>[\[\]{}=,.\n])
      | (?P<word>[^\s\[\]{}=,."'\#]+)""",
    re.VERBOSE | re.DOTALL,
)


class _Token(NamedTuple):
    text: str
    line: int
    quoted: bool


class Positions:
    """Key path to line number (from 1); a path that is not in the text has its nearest ancestor's line."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {(): 1}
        self._tokens = list(_tokens(text))
        self._at = 0
        self._table: Path = ()
        while self._at < len(self._tokens):
            self._statement()

    def line(self, path: Path) -> int:
        """Return the line of a key, or of the nearest table around it."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def _statement(self) -> None:
        if self._is("\n"):
            self._at += 1
        elif self._is("["):
            self._header()
        else:
            self._pair(self._table, ends=("\n",))

    def _header(self) -> None:
        while self._is("["):
            self._at += 1
        self._table = self._key(())
        while self._is("]"):
            self._at += 1

    def _pair(self, parent: Path, ends: tuple[str, ...]) -> None:
        path = self._key(parent)
        self._at += 1  # the equals sign
        depth = 0
        while self._at < len(self._tokens) and not (depth == 0 and any(self._is(end) for end in ends)):
            if self._is("{"):
                self._inline_table(path)
                continue
            depth += self._is("[") - self._is("]")
            self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while not self._is("}"):
            if self._is(",") or self._is("\n"):
                self._at += 1
            else:
                self._pair(path, ends=(",", "}"))
        self._at += 1

    def _key(self, parent: Path) -> Path:
        path = parent
        while self._at < len(self._tokens) and not (self._is("=") or self._is("]")):
            token = self._tokens[self._at]
            if not self._is("."):
                path = (*path, tomllib.loads(f"k = {token.text}")["k"] if token.quoted else token.text)
                self._lines.setdefault(path, token.line)
            self._at += 1
        return path

    def _is(self, mark: str) -> bool:
        if self._at == len(self._tokens):
            return False
        token = self._tokens[self._at]
        return token.text == mark and not token.quoted


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "blank":
            yield _Token(match[0], line, match.lastgroup == "text")
        line += match[0].count("\n")
