"""Attacks on executors: of forged actions none is taken, and each leaves a reason behind."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from schemas import wire
from schemas.client.authority import Authority
from schemas.client.control import ControlState
from schemas.errors import ContractError
from schemas.events import Action, Control
from schemas.keyfiles import load_signer, revoke_key
from schemas.raw import Message
from schemas.reading import read_event
from schemas.signing import Audience, Signer
from tests.promises.attacked import ELSEWHERE, HERE, SECOND, Site
from tests.promises.gate_attacks import attack_gate
from tests.schemas.people import Person

ATTACKS = 1_000


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, seed=7)


@dataclass(frozen=True, slots=True)
class Case:
    """A valid action, as the gate signed it, in the hands of an attacker."""

    site: Site
    message: Message
    action: Action


Forgery = Callable[[Case], Message]


def _signed(site: Site, action: Action, *, purpose: str = "actions", audience: Audience = HERE) -> Message:
    return load_signer(site.keys, purpose, audience).sign(wire.encode(action, loop="lab"))  # type: ignore[arg-type]


def _value(message: Message, old: bytes, new: bytes) -> Message:
    value = message.value or b""
    assert old in value
    return msgspec.structs.replace(message, value=value.replace(old, new, 1))


def _headers(message: Message, name: str, value: bytes | None) -> Message:
    headers = tuple((n, value if n == name else v) for n, v in message.headers)
    return msgspec.structs.replace(message, headers=tuple(pair for pair in headers if pair[1] is not None))


def _by(person: Person, action: Action) -> Message:
    return person.signer("control", HERE).sign(wire.encode(action, loop="lab"))


def _with(site: Site, action: Action, **fields: object) -> Message:
    """Sign a changed action with the gate's own key: what a gate that was taken over could do."""
    return _signed(site, msgspec.structs.replace(action, **fields))


FORGERIES: dict[str, Forgery] = {
    "unsigned": lambda c: wire.encode(c.action, loop="lab"),
    "an entity of one's choice": lambda c: _value(c.message, b'"entity":"e', b'"entity":"f'),
    "a longer life": lambda c: _value(c.message, b'"expires_us":1', b'"expires_us":2'),
    "another id in the header": lambda c: _headers(c.message, "ce_id", b"other"),
    "another type": lambda c: _headers(c.message, "ce_type", b"flyball.outcome.v1"),
    "no key": lambda c: _headers(c.message, "ce_keyid", None),
    "another's key id": lambda c: _headers(c.message, "ce_keyid", c.site.honest[0].id.encode()),
    "a header twice": lambda c: msgspec.structs.replace(
        c.message, headers=(*c.message.headers, ("ce_signature", b"x"))
    ),
    "another Kafka key": lambda c: msgspec.structs.replace(c.message, key=b"other"),
    "of another cluster": lambda c: _signed(c.site, c.action, audience=ELSEWHERE[0]),
    "of another loop": lambda c: _signed(c.site, c.action, audience=ELSEWHERE[1]),
    "an executor's key": lambda c: _signed(c.site, c.action, purpose="outcomes"),
    "a stranger's key": lambda c: _by(c.site.stranger, c.action),
    "a person's key": lambda c: _by(c.site.honest[0], c.action),
    "without the approvals": lambda c: _with(c.site, c.action, approvals=(), answers=()),
    "without what was signed": lambda c: _with(c.site, c.action, answers=()),
    "approved of another action": lambda c: _with(c.site, c.action, entity="other"),
    "approved of other parameters": lambda c: _with(c.site, c.action, parameters={"force": "yes"}),
    "issued after the approvals ended": lambda c: _with(
        c.site, c.action, issued_us=c.action.issued_us + 3_600 * SECOND
    ),
    "one approval for two": lambda c: _with(
        c.site, c.action, approvals=c.action.approvals[:1] * 2, answers=c.action.answers[:1] * 2
    ),
    "a no for a yes": lambda c: _with(
        c.site, c.action, answers=tuple(msgspec.structs.replace(one, decision="reject") for one in c.action.answers)
    ),
}


def attack_executor(site: Site, through: list[tuple[Message, Action]], cases: int) -> Counter[str]:
    """Show an executor each valid action and so many forgeries of them; return why these were refused."""
    authority = Authority(trust=site.trust, audience=HERE, least={"restart": 1, "wipe": 2})
    for message, action in through:
        assert authority.read(message.key, message.value, message.headers, now_us=site.us) == action
    for_two = [one for one in through if one[1].action == "wipe"]
    reasons: Counter[str] = Counter()
    for number in range(cases):
        kind = list(FORGERIES)[number % len(FORGERIES)]
        forged = FORGERIES[kind](Case(site, *site.draw.choice(for_two if kind == "one approval for two" else through)))
        try:
            taken = authority.read(forged.key, forged.value, forged.headers, now_us=site.us)
        except ContractError as error:
            reasons[error.reason] += 1
        else:
            raise AssertionError((kind, taken))
    return reasons


def test_no_forged_action_is_taken_by_an_executor(site: Site) -> None:
    _, through = attack_gate(site, 200)
    reasons = attack_executor(site, through, ATTACKS)
    assert sum(reasons.values()) == ATTACKS
    assert set(reasons) >= {
        "unsigned", "unknown-key", "wrong-purpose", "bad-signature", "ambiguous-headers", "approvals-differ",
        "other-approval", "stale-approval", "too-few-approvals",
    }  # fmt: skip


def test_what_a_revoked_key_signed_or_approved_is_no_longer_taken(site: Site) -> None:
    _, through = attack_gate(site, 100)
    authority = Authority(trust=site.trust, audience=HERE, least={})
    for message, action in through:
        authority.follow(action, message.headers)
        assert authority.why_not(action, now_us=site.us) is None
    revoke_key(site.keys, "ada")
    site.trust.adopt((site.keys / "keyring.json").read_text())
    by_ada = [action for _, action in through if "ada" in {answer.person for answer in action.answers}]
    assert 0 < len(by_ada) < len(through)
    assert [action for _, action in through if authority.why_not(action, now_us=site.us)] == by_ada
    gate: Signer = load_signer(site.keys, "actions", HERE)
    revoke_key(site.keys, gate.key_id)
    site.trust.adopt((site.keys / "keyring.json").read_text())
    assert all(authority.why_not(action, now_us=site.us) for _, action in through)
    for message, _ in through:
        with pytest.raises(ContractError, match="revoked-key"):
            authority.read(message.key, message.value, message.headers, now_us=site.us)


def test_an_order_that_was_taken_back_lets_no_executor_start_again(site: Site) -> None:
    _, ((_, action), *_) = attack_gate(site, 50)
    free = site.overtaken()
    for kind, target, value in (("pause", "loop", "paused"), ("stop", "action:restart", "")):
        state = ControlState()
        fold(site, state, site.ordered("pause", "loop", "running"))
        assert state.why_paused(site.us, action) is None
        fold(site, state, site.ordered(kind, target, value))
        why = state.why_paused(site.us, msgspec.structs.replace(action, action="restart"))
        for message in site.draw.choices(free, k=50):
            fold(site, state, message)
        assert why is not None
        assert state.why_paused(site.us, msgspec.structs.replace(action, action="restart")) == why


def fold(site: Site, state: ControlState, message: Message) -> None:
    """Let an executor hear one record of `control`."""
    order = read_event(
        "control", message.key, message.value, message.headers, trust=site.trust, audience=HERE, now_us=site.us
    )
    assert isinstance(order, Control)
    state.fold(order)


@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_no_answer_of_ten_thousand_that_should_not_count_makes_an_action(site: Site) -> None:
    refused, through = attack_gate(site, 10 * ATTACKS)
    assert len(through) + sum(refused.values()) == 10 * ATTACKS
    attack_executor(site, through, 10 * ATTACKS)
