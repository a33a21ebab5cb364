"""Whether an action was ordered by who may, before it starts and as long as it runs."""

import threading
from collections.abc import Mapping

from ..approvals import verify_answers, why_withdrawn
from ..events import Action
from ..keyring import Trust
from ..raw import Headers
from ..reading import read_event
from ..signing import Audience


class Authority:
    """Reads actions and remembers who signed those that are under way.

    `least` maps actions to how many people must have approved them, whatever the gate says.
    """

    def __init__(self, *, trust: Trust, audience: Audience, least: Mapping[str, int]) -> None:
        self._trust = trust
        self._audience = audience
        self._least = least
        self._signed_by: dict[str, str] = {}
        self._lock = threading.Lock()

    def read(self, key: bytes | None, value: bytes | None, headers: Headers, *, now_us: int) -> Action | None:
        """Return the action of a record (None: it is another event); raises `ContractError` where it must not count."""
        action = read_event(
            Action.TOPIC, key, value, headers, trust=self._trust, audience=self._audience, now_us=now_us
        )
        if not isinstance(action, Action):
            return None
        least = self._least.get(action.action, 0)
        verify_answers(action, least=least, keyring=self._trust.keyring, audience=self._audience, now_us=now_us)
        return action

    def follow(self, action: Action, headers: Headers) -> None:
        """Remember who signed an action that `read` returned, until `forget`."""
        signed_by = dict(headers)["ce_keyid"] or b""
        with self._lock:
            self._signed_by[action.id] = signed_by.decode()

    def forget(self, action: Action) -> None:
        """Forget who signed an action that is over."""
        with self._lock:
            self._signed_by.pop(action.id, None)

    def why_not(self, action: Action, *, now_us: int) -> str | None:
        """Return whose key behind an action that is followed no longer counts, or None."""
        with self._lock:
            signed_by = self._signed_by.get(action.id)
        if signed_by is None:
            return None
        return why_withdrawn(action, signed_by, keyring=self._trust.keyring, now_us=now_us)
