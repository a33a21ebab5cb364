"""Actions as webhooks, against a real HTTP server: what is sent, what an answer means, and that all is bounded."""

import base64
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from connectors.executors.breaker import CircuitBreaker
from connectors.executors.handler import Result, State
from connectors.executors.post import Answer, Place, is_public
from connectors.executors.retries import Retries
from connectors.executors.runner import ExecutorSettings
from connectors.executors.standard_webhooks import read_secrets, webhook_headers
from connectors.executors.webhook import Target, WebhookHandler, retry_after_s
from schemas.errors import SettingsError
from schemas.events import Action
from schemas.stop_file import StopFile
from tests.connectors.http_target import Answering, HttpTarget, after, drips, floods, hangs_up, says, sends
from tests.connectors.memory import Memory, action, execute
from tests.kafka.certificates import make_certificates

SECRET = b"0123456789abcdef0123456789abcdef"
TIMEOUT_S = 1.0
QUICK = ExecutorSettings(retries=Retries(timeout_s=TIMEOUT_S, pause_s=0.01))


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def breaker(failures: int = 100, clock: Callable[[], float] = time.monotonic) -> CircuitBreaker:
    return CircuitBreaker(failures=failures, open_s=10.0, clock=clock)


def webhook(
    url: str,
    *,
    idempotent: bool = False,
    ca_file: Path | None = None,
    target: Target | None = None,
    why_paused: Callable[[Action], str | None] = lambda _: None,
) -> WebhookHandler:
    return WebhookHandler(
        url,
        secrets=(SECRET,),
        target=target or Target(concurrency=4, breaker=breaker()),
        idempotent=idempotent,
        private=True,
        ca_file=ca_file,
        why_paused=why_paused,
    )


def run(*answers: Answering, idempotent: bool = False) -> tuple[Result, HttpTarget]:
    with HttpTarget(*answers) as target:
        return webhook(target.url, idempotent=idempotent).run(action(), timeout_s=TIMEOUT_S), target


def test_what_waited_for_a_place_is_not_sent_where_a_stop_came_meanwhile(tmp_path: Path) -> None:
    busy, stop_file = Target(concurrency=1, breaker=breaker()), StopFile(tmp_path / "STOP")

    def end_of_another() -> None:
        stop_file.path.touch()
        busy.places.release()

    assert busy.places.acquire(timeout=0)
    with HttpTarget(says(200)) as target:
        handler = webhook(target.url, target=busy, why_paused=lambda _: stop_file.why())
        threading.Timer(0.1, end_of_another).start()
        held = handler.run(action(), timeout_s=TIMEOUT_S)
        assert (held.state, held.detail) == ("failed", f"not sent: stop file {stop_file.path}")
        assert target.bodies == []
        stop_file.remove()
        assert handler.run(action(), timeout_s=TIMEOUT_S).state == "succeeded"


def test_the_signature_is_that_of_the_standard() -> None:
    headers = webhook_headers(
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp_s=1614265330,
        body=b'{"test": 2432232314}',
        secrets=[base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_action_is_posted_as_json_under_its_id_with_a_signature_that_its_receiver_can_check() -> None:
    result, target = run(says(200))
    assert (result.state, result.detail) == ("succeeded", "answered 200")
    (headers,), (body,) = target.asked, target.bodies
    assert msgspec.json.decode(body, type=Action) == action()
    assert headers["webhook-id"] == "action-1"
    assert headers["host"] == f"127.0.0.1:{target.port}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5
    signed = f"action-1.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


MEANINGS: list[tuple[Answering, State, str]] = [
    (says(204), "succeeded", "answered 204"),
    (says(202), "unknown", "answered 202: accepted, not yet done"),
    (says(200, b'{"state": "failed", "detail": "no \\u001b[31mpart"}'), "failed", "answered 200: no  [31mpart"),
    (says(202, b'{"state": "succeeded"}'), "succeeded", "answered 202"),
    (says(200, b'{"state": "fine"}'), "succeeded", "answered 200"),
    (says(200, b"<html>"), "succeeded", "answered 200"),
    (says(302, location="http://127.0.0.1:1/"), "failed", "answered 302: redirects are not followed"),
    (says(307, location="/elsewhere"), "failed", "answered 307: redirects are not followed"),
    (says(404), "refused", "answered 404"),
    (says(410), "refused", "answered 410"),
    (says(408), "unknown", "answered 408"),
    (says(429), "failed", "answered 429: not now"),
    (says(500), "failed", "answered 500"),
    (says(501), "refused", "answered 501"),
    (says(502), "unknown", "answered 502"),
    (says(503), "failed", "answered 503"),
    (says(504), "unknown", "answered 504"),
    (floods, "succeeded", "answered 200"),
    (drips, "unknown", "sent, but no whole answer within 1 s"),
    (after(2.0, says(200)), "unknown", "sent, but no whole answer within 1 s"),
    (hangs_up, "unknown", "sent, but no whole answer: Remote end closed connection without response"),
]  # fmt: skip


NOISE: list[tuple[Answering, State]] = [
    (sends(b"SSH-2.0-OpenSSH\r\n"), "unknown"),
    (sends(b"\x00\xff\r\n\r\n"), "unknown"),
    (sends(b"HTTP/1.1 2x0 OK\r\n\r\n"), "unknown"),
    (sends(b"HTTP/1.1 999 what\r\n\r\n"), "unknown"),
    (sends(b"HTTP/1.1 101 Switching\r\n\r\n"), "unknown"),
    (sends(b"HTTP/1.1 100 Continue\r\n\r\n", times=200_000), "unknown"),
    (sends(b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n"), "unknown"),
    (sends(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000 + b"\r\n"), "unknown"),
    (sends(b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nab"), "succeeded"),
    (sends(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}"), "succeeded"),
    (sends(b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 30 + b"\r\n\r\n{}"), "succeeded"),
    (sends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), "succeeded"),
    (sends(b"HTTP/1.1 500 no\r\ncontent-length: 1\r\nretry-after: \xff\r\n\r\n"), "failed"),
    (sends(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 60_000), "succeeded"),
]


@pytest.mark.parametrize(("answer", "state"), NOISE)
def test_noise_is_a_state_too_and_never_an_error(answer: Answering, state: State) -> None:
    begun_s = time.monotonic()
    assert run(answer)[0].state == state
    assert time.monotonic() - begun_s < TIMEOUT_S + 5.0


@pytest.mark.parametrize(("answer", "state", "detail"), MEANINGS)
def test_an_answer_means_one_state_in_bounded_time(answer: Answering, state: State, detail: str) -> None:
    begun_s = time.monotonic()
    result, target = run(answer)
    assert (result.state, result.detail) == (state, detail)
    assert len(target.asked) == 1  # a redirect is not followed either
    assert time.monotonic() - begun_s < TIMEOUT_S + 5.0


def end(target: HttpTarget, *, idempotent: bool = False, settings: ExecutorSettings = QUICK) -> tuple[State, str]:
    memory = Memory(action())
    execute(memory, {"mend": webhook(target.url, idempotent=idempotent)}, settings)
    ((_, state, detail),) = memory.ends
    return state, detail


ATTEMPTS: list[tuple[tuple[Answering, ...], bool, int, State]] = [
    # answers, idempotent, requests, state
    ((says(429), says(503, retry_after="0"), says(200)), False, 3, "succeeded"),  # it said that it did nothing
    ((says(503), says(200)), False, 1, "failed"),
    ((says(503), says(200)), True, 2, "succeeded"),
    ((hangs_up, says(200)), False, 1, "unknown"),  # it may have done it
    ((hangs_up, says(200)), True, 2, "succeeded"),  # it drops what it has done, by webhook-id
    ((after(2.0, says(200)),), True, 3, "unknown"),
    ((says(404), says(200)), True, 1, "refused"),
    ((says(302), says(200)), True, 1, "failed"),
    ((says(429),), False, 3, "failed"),
]


@pytest.mark.parametrize(("answers", "idempotent", "requests", "state"), ATTEMPTS)
def test_only_what_cannot_happen_twice_is_sent_again(
    answers: tuple[Answering, ...], idempotent: bool, requests: int, state: State
) -> None:
    with HttpTarget(*answers) as target:
        assert end(target, idempotent=idempotent)[0] == state
    assert len(target.asked) == requests
    assert {headers["webhook-id"] for headers in target.asked} == {"action-1"}


def test_retry_after_is_honoured_for_every_action_to_that_target() -> None:
    with HttpTarget(says(429, retry_after="1"), says(200)) as target:
        shared = webhook(target.url)
        begun_s = time.monotonic()
        assert shared.run(action(1), timeout_s=TIMEOUT_S).wait_s == 1.0
        other = shared.run(action(2), timeout_s=TIMEOUT_S)
        assert 0 < other.wait_s <= 1.0
        assert "is left alone for" in other.detail
        memory = Memory(action(3))
        execute(memory, {"mend": shared}, QUICK)
        assert memory.ends[0][1] == "succeeded"
        assert 1.0 <= time.monotonic() - begun_s < 5
    assert len(target.asked) == 2


@pytest.mark.parametrize("asked", ["86400", "Thu, 01 Jan 2099 00:00:00 GMT"])
def test_a_pause_that_is_too_long_ends_the_action_with_that_reason(asked: str) -> None:
    with HttpTarget(says(503, retry_after=asked)) as target:
        state, detail = end(target)
    assert state == "failed"
    assert "not tried again: it asks to wait" in detail
    assert len(target.asked) == 1


def test_a_date_to_retry_after_is_taken_against_the_targets_own_clock() -> None:
    headers = {"retry-after": "Thu, 01 Jan 2099 00:00:02 GMT", "date": "Thu, 01 Jan 2099 00:00:00 GMT"}
    assert retry_after_s(Answer(status=503, headers=headers, body=b""), now_s=0.0) == 2.0
    for text in ("soon", "-1", "1.5", "9" * 400, ""):
        assert retry_after_s(Answer(status=503, headers={"retry-after": text}, body=b""), now_s=0.0) is None


def test_what_is_unreachable_is_not_sent_and_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with HttpTarget(says(200)) as target:
        for url, why in [
            (f"http://127.0.0.1:{port}/", f"not sent: cannot connect to 127.0.0.1:{port}: "),
            ("http://no-such-host.invalid/", "not sent: cannot resolve no-such-host.invalid: "),
            (f"https://127.0.0.1:{target.port}/", f"not sent: no TLS with 127.0.0.1:{target.port}: "),
        ]:
            result = webhook(url).run(action(), timeout_s=5)
            assert (result.state, result.retry) == ("failed", "always")
            assert result.detail.startswith(why)


def test_an_address_that_is_not_public_is_refused_unless_allowed() -> None:
    target = Target(concurrency=1, breaker=breaker())
    with HttpTarget(says(200)) as server:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
            handler = WebhookHandler(f"http://{host}:{server.port}/", secrets=(SECRET,), target=target)
            result = handler.run(action(), timeout_s=5)
            assert result.state == "failed"
            assert "which is not public; `private = true` would allow it" in result.detail
        assert server.asked == []


NOT_PUBLIC = (
    "10.1.2.3 172.16.0.1 192.168.1.1 127.0.0.2 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 "
    "::1 :: fe80::1%eth0 fc00::1 ff02::1 ::ffff:10.0.0.1 ::ffff:169.254.169.254"
)


def test_addresses_inside_a_network_are_told_from_public_ones() -> None:
    assert [address for address in NOT_PUBLIC.split() if is_public(address)] == []
    assert is_public("9.9.9.9")
    assert is_public("2620:fe::fe")


def test_https_needs_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    server, authority = make_certificates(tmp_path)
    with HttpTarget(says(200), certificate=server) as target:
        assert webhook(target.url, ca_file=authority).run(action(), timeout_s=5).state == "succeeded"
        stranger = webhook(target.url).run(action(), timeout_s=5)
        assert stranger.state == "failed"
        assert "CERTIFICATE_VERIFY_FAILED" in stranger.detail
        other = f"https://localhost:{target.port}/"
        assert "Hostname mismatch" in webhook(other, ca_file=authority).run(action(), timeout_s=5).detail
    assert len(target.asked) == 1


def test_a_broken_target_is_left_alone_tried_once_and_used_again_when_it_answers() -> None:
    clock = Clock()
    with HttpTarget(says(500), says(500), says(500), says(200)) as server:
        handler = webhook(server.url, target=Target(concurrency=4, breaker=breaker(failures=2, clock=clock)))
        states = [handler.run(action(number), timeout_s=5).detail for number in range(4)]
        assert states[:2] == ["answered 500", "answered 500"]
        assert all(detail.startswith("not sent: ") for detail in states[2:])
        clock.now_s = 10.0
        assert handler.run(action(5), timeout_s=5).detail == "answered 500"  # half-open: one try, and open again
        assert handler.run(action(6), timeout_s=5).detail.startswith("not sent: ")
        clock.now_s = 20.0
        assert [handler.run(action(number), timeout_s=5).state for number in (7, 8)] == ["succeeded", "succeeded"]
    assert len(server.asked) == 5


def test_one_target_gets_so_many_requests_at_a_time_whatever_the_webhook() -> None:
    with HttpTarget(after(1.5, says(200))) as server:
        target = Target(concurrency=2, breaker=breaker())
        handlers = [webhook(server.url, target=target), webhook(f"{server.url}&c=d", target=target)]
        results: list[Result] = []
        threads = [
            threading.Thread(target=lambda one=one: results.append(handlers[one % 2].run(action(one), timeout_s=2.0)))
            for one in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert server.most_at_once == 2
    late = [result for result in results if result.state == "failed"]
    assert len(late) == 4
    assert all("2 requests to 127.0.0.1" in result.detail and result.retry == "always" for result in late)


def test_a_secret_comes_from_a_variable_or_from_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    text = f"whsec_{base64.b64encode(SECRET).decode()}"
    assert read_secrets(variable="HOOK", file="", folder=tmp_path, environment={"HOOK": text}) == (SECRET,)
    path = tmp_path / "hook.secret"
    path.write_text(f"{text}\n{text}\n")
    path.chmod(0o600)
    assert read_secrets(variable="", file="hook.secret", folder=tmp_path, environment={}) == (SECRET, SECRET)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match=r"expected a file for its owner only \(chmod 600\), got mode 640"):
        read_secrets(variable="", file="hook.secret", folder=tmp_path, environment={})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "got nothing"),
        ("whsec_", "expected a secret of 24 to 64 bytes, got 0"),
        ("whsec_c2hvcnQ=", "expected a secret of 24 to 64 bytes, got 5"),
        ("whsec_pa$$word", "base64 behind it"),
    ],
)
def test_a_bad_secret_is_named_by_its_place_and_never_shown(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read_secrets(variable="HOOK", file="", folder=tmp_path, environment={"HOOK": text})
    assert says in str(error.value)
    assert "the variable HOOK" in str(error.value)
    assert "word" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "//a/b",
        "https:///x",
        "https://u:p@a/",
        "https://a/#b",
        "https://a/b c",
        "https://ä/",
        "https://a:x/",
    ],
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each has its own words
        Place.parse(url)
