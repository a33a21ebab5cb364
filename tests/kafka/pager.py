"""A webhook target that does nothing twice: its book holds every request, and it can strike who asks a second time."""

import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from tests.connectors.http_target import HttpTarget, hangs_up, says


class Pager:
    """Answers at once; `strike_next` lets the first answer to one action be lost, and strikes when it comes again."""

    def __init__(self) -> None:
        self.http = HttpTarget(self._answer)
        self._strike: Callable[[str], None] | None = None
        self._chosen = ""
        self._lock = threading.Lock()

    def strike_next(self, strike: Callable[[str], None]) -> None:
        """Strike (told the action's id) whoever asks for an action a second time after an answer that was lost."""
        self._chosen, self._strike = "", strike

    def book(self) -> Counter[str]:
        """Return how often each action was asked for; the first time it was done."""
        return Counter(headers["webhook-id"] for headers in self.http.asked)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        action = request.headers["webhook-id"]
        with self._lock:
            self._chosen = self._chosen or (action if self._strike else "")
            strike = self._strike if action == self._chosen else None
            again = self.book()[action] > 1
            if strike is not None and again:
                self._strike = None
        if strike is None:
            says(200)(request)
        elif again:
            strike(action)
        else:
            hangs_up(request)
