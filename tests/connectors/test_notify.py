"""People are told what they are asked: once, not too often, and again where it did not arrive."""

import base64
import hashlib
import hmac
import json
import threading
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.notify.notices import HOUR_US, REMEMBERED, Notice, Notices, body_of
from connectors.notify.sender import Sender
from connectors.notify.settings import NotifySettings
from schemas.errors import SettingsError
from schemas.events import Blocked, Check, Proposal, Verdict
from tests.connectors.http_target import Answering, HttpTarget, hangs_up, says
from tests.loop.gate_bench import START, proposal

WINDOW_US = 600_000_000
DAY_US = 24 * HOUR_US
ALL = "`flyball approvals` lists all questions, `flyball status` what is left to people"
NOTICE = Notice(id="v1", text="lab asks: restart on <web-1> & web-2?", until_us=0)
SECRET = b"0123456789abcdef0123456789abcdef"


def verdict(of: Proposal, said: str = "escalate", name: str = "v") -> Verdict:
    values = {
        "id": f"{name}-{of.id}",
        "time_us": START,
        "proposal": of,
        "verdict": said,
        "level": "approve",
        "checks": (),
        "settings_hash": "h",
    }
    return msgspec.convert(values, Verdict)


def told(notices: Notices, one: Verdict | Blocked, *, us: int = START, until_us: int = START + WINDOW_US) -> str | None:
    texts = [notice.text for notice in notices.about(one, window_us=until_us - one.time_us, now_us=us)]
    assert len(texts) < 2
    return texts[0] if texts else None


def test_an_escalation_is_told_with_the_command_that_answers_it() -> None:
    text = told(Notices(loop="lab", hourly=5), verdict(proposal("0123456789abcdef")))
    assert text == ("lab asks: restart on e0 against p-1?\n`flyball approve 0123456789ab` or `reject`, until 22:23 UTC")


def test_a_persons_proposal_names_the_person_and_the_reason() -> None:
    text = told(Notices(loop="lab", hourly=5), verdict(proposal("p1", by="bob", reason="it hangs")))
    assert "as bob proposed (it hangs)?" in (text or "")


def test_each_escalation_is_told_once_and_nothing_else_is() -> None:
    notices = Notices(loop="lab", hourly=5)
    assert told(notices, verdict(proposal("p0"), "allow")) is None
    assert told(notices, verdict(proposal("p1"))) is not None
    assert told(notices, verdict(proposal("p1"), name="one of two approved")) is None
    assert told(notices, verdict(proposal("p2")), us=START + WINDOW_US) is None


def test_what_was_too_much_is_told_in_one_message_and_counted_in_the_next() -> None:
    notices = Notices(loop="lab", hourly=2)
    texts = [told(notices, verdict(proposal(f"p{n}"))) for n in range(5)]
    assert [text is not None for text in texts] == [True, True, True, False, False]
    assert texts[2] == f"lab: more than 2 messages in an hour; {ALL}"
    later = told(notices, verdict(proposal("p9")), us=START + HOUR_US, until_us=START + 2 * HOUR_US)
    assert "(3 more were not told one by one" in (later or "")


def left(
    name: str, *, us: int = START, entity: str = "web-3", denied: bool = True, **fields: object
) -> Verdict | Blocked:
    """Return what the gate says of an entity whose three actions within a day did not hold: that one more is denied, or
    that its trouble came again.
    """
    values = {"name": "attempts", "passed": False, "limit": "3/day", "spent": 3, "allowed": 3, "next_us": us + DAY_US}
    spent = msgspec.convert(values | fields, Check)
    if not denied:
        return Blocked(id=name, time_us=us, until_us={}, left={entity: spent})
    one = verdict(proposal(name, entity=entity), "deny")
    return msgspec.structs.replace(one, time_us=us, checks=(spent,), decided_by="attempts")


@pytest.mark.parametrize("denied", [True, False])
def test_an_entity_whose_actions_did_not_hold_is_told_once_until_it_may_be_acted_on_again(denied: bool) -> None:
    notices = Notices(loop="lab", hourly=5)
    text = told(notices, left("p1", denied=denied))
    assert text == "web-3: 3 actions within a day did not hold; the loop leaves it to you: `flyball why web-3`"
    again = left("p2", us=START + DAY_US - 1, denied=denied)
    assert told(notices, again, us=START + DAY_US - 1) is None
    assert told(notices, left("p3", entity="web-4", denied=denied)) is not None
    assert told(notices, left("p4", us=START + DAY_US, denied=denied), us=START + DAY_US) is not None


def test_what_says_nothing_of_attempts_that_did_not_hold_is_not_told() -> None:
    notices = Notices(loop="lab", hourly=5)
    assert told(notices, left("p2", next_us=None)) is None, "no waiting helps: it was never allowed"
    assert told(notices, msgspec.structs.replace(left("p3"), decided_by="pause")) is None
    assert told(notices, left("p4"), us=START + DAY_US) is None, "too late"


def test_entities_and_escalations_share_the_messages_of_an_hour() -> None:
    notices = Notices(loop="lab", hourly=2)
    texts = [told(notices, one) for one in (verdict(proposal("p0")), left("p1"), left("p2", entity="db-1"), left("p3"))]
    assert [text is not None for text in texts] == [True, True, True, False]
    assert texts[2] == f"lab: more than 2 messages in an hour; {ALL}"


def unasked(name: str, *, us: int = START, next_us: int | None = None) -> Verdict:
    """Return what the gate says of a proposal about which it may ask nobody any more."""
    values = {"name": "escalations", "passed": False, "limit": "1/hour", "spent": 1, "allowed": 1}
    spent = msgspec.convert(values | {"next_us": next_us or us + HOUR_US}, Check)
    one = verdict(proposal(name, entity=f"entity of {name}"), "deny")
    return msgspec.structs.replace(one, time_us=us, checks=(spent,), decided_by="escalations")


def test_that_people_are_not_asked_any_more_is_told_at_once_and_how_many_were_not_after_an_hour() -> None:
    notices = Notices(loop="lab", hourly=1)
    assert told(notices, verdict(proposal("p0"))) is not None
    text = told(notices, unasked("p1")) or ""
    assert text.startswith("lab may ask no more than 1/hour: restart on entity of p1 against p-1 is denied without a ")
    assert "and so may others be until 23:13 UTC; gate.escalation_limit in loop.toml says how many are" in text
    assert [told(notices, unasked(f"q{number}"), us=START + 1) for number in range(3)] == [None] * 3
    assert notices.summary(START + HOUR_US - 1) == []
    (summary,) = notices.summary(START + HOUR_US)
    assert summary.text.startswith("lab: 3 more denied without a question; gate.escalation_limit in loop.toml")
    assert notices.summary(START + 3 * HOUR_US) == [], "all were told"
    later = START + 3 * HOUR_US
    assert told(notices, unasked("p2", us=later), us=later) is not None


def test_what_was_not_asked_long_before_is_in_the_next_summary_alone() -> None:
    notices = Notices(loop="lab", hourly=1)
    assert told(notices, unasked("p1", next_us=START + 1), us=START + HOUR_US) is None
    (summary,) = notices.summary(START + HOUR_US)
    assert summary.text.startswith("lab: 1 more denied")


def test_of_entities_that_are_left_to_people_only_so_many_are_remembered() -> None:
    notices = Notices(loop="lab", hourly=1)
    notices.told.left_us = {f"e{n}": START + DAY_US for n in range(REMEMBERED)} | {"over": START}
    told(notices, left("p1"))
    assert len(notices.told.left_us) == REMEMBERED
    assert "web-3" in notices.told.left_us
    assert not {"e0", "over"} & notices.told.left_us.keys()


@given(st.lists(st.integers(0, HOUR_US // 2), max_size=60), st.integers(1, 5))
def test_in_every_hour_there_are_at_most_so_many_messages_and_one(gaps_us: list[int], hourly: int) -> None:
    notices, us, sent = Notices(loop="lab", hourly=hourly), START, []
    for number, gap_us in enumerate(gaps_us):
        us += gap_us
        if told(notices, verdict(proposal(f"p{number}")), us=us, until_us=us + 1) is not None:
            sent.append(us)
    for first in sent:
        assert sum(first <= other < first + HOUR_US for other in sent) <= hourly + 1


def test_the_body_is_slacks_and_nothing_in_it_is_markup() -> None:
    assert json.loads(body_of(NOTICE)) == {"text": "lab asks: restart on &lt;web-1&gt; &amp; web-2?"}


def sender(url: str, tmp_path: Path, /, **settings: object) -> Sender:
    values = {"url": url, "plain_http": True, "private": True, "timeout_us": 500_000} | settings
    made = msgspec.convert(values, NotifySettings)
    environment = {"SECRET": f"whsec_{base64.b64encode(SECRET).decode()}", "URL": url}
    return Sender.of(made, folder=tmp_path, environment=environment, seed=7)


@pytest.mark.timeout(60)
def test_a_message_is_signed_as_standard_webhooks_says(tmp_path: Path) -> None:
    with HttpTarget(says(200)) as target:
        assert sender(target.url, tmp_path, secret_env="SECRET").send(NOTICE, threading.Event()) is None  # noqa: S106  # its name
    (headers,), (body,) = target.asked, target.bodies
    signed = f"v1.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-id"] == "v1"
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert headers["content-type"] == "application/json"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 10


@pytest.mark.parametrize(
    ("answers", "asked", "why"),
    [
        ((says(200),), 1, None),
        ((says(503), says(200)), 2, None),
        ((hangs_up, says(204)), 2, None),
        ((says(429, retry_after="0"), says(200)), 2, None),
        ((says(404),), 1, "answered 404"),
        ((says(302, location="http://127.0.0.1:1/"),), 1, "answered 302"),
        ((says(429, retry_after="3600"),), 1, "answered 429"),
        ((says(500),), 2, "answered 500"),
    ],
)
@pytest.mark.timeout(60)
def test_it_is_sent_again_where_that_may_help(
    tmp_path: Path, answers: tuple[Answering, ...], asked: int, why: str | None
) -> None:
    with HttpTarget(*answers) as target:
        found = sender(target.url, tmp_path, attempts=2).send(NOTICE, threading.Event())
    assert len(target.asked) == asked
    assert (found is None) if why is None else (why in (found or ""))


def test_nobody_there_is_told_as_such_and_a_stop_ends_the_wait(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    assert "cannot connect" in (sender("http://127.0.0.1:1/", tmp_path, attempts=20).send(NOTICE, stop) or "")
    assert time.monotonic() - began < 5


def test_an_address_that_is_a_secret_comes_from_the_environment_and_is_not_shown(tmp_path: Path) -> None:
    with HttpTarget(says(200)) as target:
        one = sender(target.url, tmp_path, url="", url_env="URL")
        assert one.send(NOTICE, threading.Event()) is None
    settings = NotifySettings(url_env="URL")
    for address in ("", "http://hooks.example.com/secret", "nonsense secret"):
        with pytest.raises(SettingsError, match="the variable URL: expected the https address") as caught:
            Sender.of(settings, folder=tmp_path, environment={"URL": address}, seed=7)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "remark"),
    [
        ({"url": "https://x/", "url_env": "URL"}, "url_env"),
        ({"secret_env": "A", "secret_file": "b"}, "secret_file"),
        ({"url": "http://x/"}, "https"),
        ({"url": "no"}, "url"),
        ({"hourly": 0}, "hourly"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], remark: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=remark):
        msgspec.convert(settings, NotifySettings)
