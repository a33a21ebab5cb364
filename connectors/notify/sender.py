"""Sending a message to a webhook, again where it did not arrive: who gets it twice knows it by its `webhook-id`."""

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from connectors.executors.post import NoAnswerError, NotSentError, Place, post
from connectors.executors.retries import Retries
from connectors.executors.standard_webhooks import Secrets, read_secrets, webhook_headers
from connectors.executors.webhook import retry_after_s
from connectors.notify.notices import Notice, body_of
from connectors.notify.settings import NotifySettings
from schemas import __version__
from schemas.errors import SettingsError

NOT_NOW = (408, 425, 429)
"""Answers of the client's range that say to come again; so do all of the server's."""


class Sender:
    """Posts messages to one address."""

    def __init__(
        self,
        place: Place,
        *,
        secrets: Secrets,
        retries: Retries,
        private: bool,
        ca_file: Path | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._place = place
        self._secrets = secrets
        self._retries = retries
        self._private = private
        self._context = ssl.create_default_context(cafile=ca_file) if place.secure else None
        self._clock = clock

    @classmethod
    def of(cls, settings: NotifySettings, *, folder: Path, environment: Mapping[str, str], seed: int) -> "Sender":
        """Return what sends as the settings say; raises `SettingsError` where address or secret is missing."""
        url = settings.url or environment.get(settings.url_env, "")
        try:
            place = settings.place(url)
        except ValueError:  # which would show the address
            where = "notify.url" if settings.url else f"the variable {settings.url_env or 'of notify.url_env'}"
            raise SettingsError([f"{where}: expected the https address of a webhook"]) from None
        secrets: Secrets = ()
        if settings.secret_env or settings.secret_file:
            secrets = read_secrets(
                variable=settings.secret_env, file=settings.secret_file, folder=folder, environment=environment
            )
        return cls(
            place,
            secrets=secrets,
            retries=Retries(attempts=settings.attempts, timeout_s=settings.timeout_us / 1e6, seed=seed),
            private=settings.private,
            ca_file=folder / settings.ca_file if settings.ca_file else None,
        )

    def send(self, notice: Notice, stop: threading.Event) -> str | None:
        """Send a message, trying again where that may help, until `stop`; return why it did not arrive, or None."""
        why = "stopped"
        for attempt in range(self._retries.attempts):
            asked_s, why = self._attempt(notice)
            if not why or asked_s is None:
                return why or None
            wait_s = self._retries.wait_s(notice.id, attempt, asked_s=asked_s)
            if wait_s is None or attempt + 1 == self._retries.attempts or stop.wait(wait_s):
                break
        return why

    def _attempt(self, notice: Notice) -> tuple[float | None, str]:
        """Send it once; return in how many seconds it may be tried again (None: never), and what went wrong."""
        body = body_of(notice)
        headers = {"content-type": "application/json", "user-agent": f"flyball/{__version__}"}
        if self._secrets:
            headers |= webhook_headers(id=notice.id, timestamp_s=int(self._clock()), body=body, secrets=self._secrets)
        try:
            answer = post(
                self._place,
                body,
                headers,
                timeout_s=self._retries.timeout_s,
                private=self._private,
                context=self._context,
            )
        except (NotSentError, NoAnswerError) as error:
            return 0.0, str(error)
        if 200 <= answer.status < 300:
            return None, ""
        said = f"{self._place.authority} answered {answer.status}"
        if answer.status in NOT_NOW or answer.status >= 500:
            return retry_after_s(answer, now_s=self._clock()) or 0.0, said
        return None, said
