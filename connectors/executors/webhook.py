"""Actions as webhooks: a signed POST to one address, and what its answer means."""

import re
import ssl
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import msgspec

from connectors.executors.breaker import CircuitBreaker
from connectors.executors.handler import Result, State
from connectors.executors.post import Answer, NoAnswerError, NotSentError, Place, post
from connectors.executors.standard_webhooks import Secrets, webhook_headers
from schemas import __version__
from schemas.events import Action

HOLD_LONGEST_S = 3600.0
"""No target is left alone for longer because it asked to be."""
DETAIL_LIMIT = 500
_ENCODE = msgspec.json.Encoder(order="sorted").encode


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a target may say in the body of a 2xx answer: how the action ended, in the words of `outcomes`."""

    state: State
    detail: str = ""


class Target:
    """What all webhooks to one host and port share: so many requests at a time, and one circuit breaker."""

    def __init__(self, *, concurrency: int, breaker: CircuitBreaker) -> None:
        self.concurrency = concurrency
        self.places = threading.BoundedSemaphore(concurrency)
        self.breaker = breaker


class WebhookHandler:
    """Posts the action as JSON, with the headers of Standard Webhooks; `webhook-id` is the action's id.

    Idempotent where the target is: where it drops a `webhook-id` that it has seen before.
    """

    def __init__(
        self,
        url: str,
        *,
        secrets: Secrets,
        target: Target,
        idempotent: bool = False,
        private: bool = False,
        ca_file: Path | None = None,
        why_paused: Callable[[Action], str | None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._place = Place.parse(url)
        self._secrets = secrets
        self._target = target
        self._private = private
        self._why_paused = why_paused
        self._clock = clock
        self._idempotent = idempotent
        self._context = ssl.create_default_context(cafile=ca_file) if self._place.secure else None

    @property
    def idempotent(self) -> bool:
        return self._idempotent

    def run(self, action: Action, *, timeout_s: float) -> Result:
        until_s = time.monotonic() + timeout_s
        if not self._target.places.acquire(timeout=timeout_s / 2):
            return _not_sent(f"{self._target.concurrency} requests to {self._place.authority} are under way")
        try:
            why_not = self._why_paused(action)  # a place was perhaps waited for, and a stop came meanwhile
            if why_not is not None:
                return _not_sent(why_not)
            wait_s = self._target.breaker.admit()
            if wait_s > 0:
                return _not_sent(f"{self._place.authority} is left alone for {wait_s:.1f} s more", wait_s=wait_s)
            return self._send(action, until_s - time.monotonic())
        finally:
            self._target.places.release()

    def _send(self, action: Action, timeout_s: float) -> Result:
        body = _ENCODE(action)
        headers = {
            "content-type": "application/json",
            "user-agent": f"flyball/{__version__}",
            **webhook_headers(id=action.id, timestamp_s=int(self._clock()), body=body, secrets=self._secrets),
        }
        breaker = self._target.breaker
        try:
            answer = post(self._place, body, headers, timeout_s=timeout_s, private=self._private, context=self._context)
        except NotSentError as error:
            breaker.failed()
            return _not_sent(str(error))
        except NoAnswerError as error:
            breaker.failed()
            return Result(state="unknown", detail=f"sent, but {error}")
        except BaseException:
            breaker.forget()
            raise
        return self._judge(answer)

    def _judge(self, answer: Answer) -> Result:
        breaker = self._target.breaker
        asked_s = retry_after_s(answer, now_s=self._clock())
        if answer.status == 429 or (answer.status == 503 and asked_s is not None):
            breaker.hold(min(asked_s or 0.0, HOLD_LONGEST_S))
            detail = f"answered {answer.status}: not now" + (f", in {asked_s:g} s" if asked_s else "")
            return Result(state="failed", detail=detail, retry="always", wait_s=asked_s or 0.0, begun=False)
        if answer.status >= 500:
            breaker.failed()
        else:
            breaker.succeeded()
        return meaning(answer)


def meaning(answer: Answer) -> Result:
    """Return what an answer says about the action; `unknown` where it does not say.

    | status | state |
    |---|---|
    | 2xx | as the body says (`Reply`), else succeeded; 202 (accepted, not yet done) unknown |
    | 3xx | failed: redirects are not followed |
    | 408, 502, 504 | unknown: who answers does not know either |
    | other 4xx, 501 | refused |
    | other 5xx | failed |
    | what is no status of HTTP | unknown |
    """
    status = answer.status
    said = f"answered {status}"
    if 200 <= status < 300:
        reply = _reply(answer.body)
        if reply is not None:
            return Result(state=reply.state, detail=f"{said}: {_bounded(reply.detail)}" if reply.detail else said)
        if status == 202:
            return Result(state="unknown", detail=f"{said}: accepted, not yet done")
        return Result(state="succeeded", detail=said)
    if 300 <= status < 400:
        return Result(state="failed", detail=f"{said}: redirects are not followed", retry="never")
    if status in (408, 502, 504):
        return Result(state="unknown", detail=said)
    if status == 501 or 400 <= status < 500:
        return Result(state="refused", detail=said)
    return Result(state="failed" if 500 <= status < 600 else "unknown", detail=said)


def retry_after_s(answer: Answer, *, now_s: float) -> float | None:
    """Return how long `Retry-After` (RFC 9110, seconds or a date) asks to wait; None without a readable one.

    A date is taken against the target's own clock (`Date`) where it tells it.
    """
    text = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return float(text)
    until_s = _date_s(text)
    if until_s is None:
        return None
    its_now_s = _date_s(answer.headers.get("date", ""))
    return max(0.0, until_s - (now_s if its_now_s is None else its_now_s))


def _date_s(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _reply(body: bytes | None) -> Reply | None:
    try:
        return msgspec.json.decode(body or b"", type=Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _bounded(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text[:DETAIL_LIMIT])


def _not_sent(why: str, *, wait_s: float = 0.0) -> Result:
    return Result(state="failed", detail=f"not sent: {why}", retry="always", wait_s=wait_s, begun=False)
