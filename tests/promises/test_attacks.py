"""Attacks on the gate and on executors: nothing of what is forged, altered, stale or replayed is ever acted on.

A seeded crowd of attackers, with valid work between: every valid one goes through, of the others none, and each leaves
a reason behind. `ATTACKS` cases in an ordinary run, ten times as many in the long one.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from schemas import wire
from schemas.client.authority import Authority
from schemas.errors import ContractError
from schemas.events import Action, Approval, Control, DeadLetter, Event, Outcome, Proposal, Verdict
from schemas.keyfiles import create_keys, load_signer, load_trust, revoke_key
from schemas.raw import Message, RawBatch
from schemas.signing import Audience, Signer
from streams.app import make_decoded_role
from streams.loop.processor import Now
from streams.loop.role import Role
from streams.settings import parse
from tests.schemas.people import Person

ATTACKS = 1_000
VALID_SHARE = 0.1
START = 1_700_000_000_000_000
SECOND = 1_000_000
HERE = Audience(cluster="c1", loop="lab")
ELSEWHERE = (Audience(cluster="c2", loop="lab"), Audience(cluster="c1", loop="fleet"))
SETTINGS = parse(
    """
    [loop]
    name = "lab"
    [gate]
    loop_limit = "10000/minute"
    pattern_limit = "10000/minute"
    entity_attempts = "10000/minute"
    escalation_limit = "10000/minute"
    explore_limit = "10000/minute"
    concurrency = 1_000_000
    blast_count = 1_000_000
    failed_least = 1_000_000
    [levels]
    default = "approve"
    novel = "approve"
    [actions.restart]
    limit = "10000/minute"
    [actions.wipe]
    limit = "10000/minute"
    approvals = 2
    """,
    name="loop.toml",
)
CHOSEN_BY = "gus"
"""Who activated the settings."""


class Site:
    """A loop's keys, its gate, and people: honest ones, and one whose key was withdrawn."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.keys = folder / "keys"
        create_keys(self.keys)
        self.draw = random.Random(seed)
        self.honest = [Person(name) for name in ("ada", "bob", "cleo")]
        self.operator, self.chooser, self.withdrawn = Person("dan"), Person(CHOSEN_BY), Person("fred")
        for person in (*self.honest, self.chooser, self.withdrawn):
            person.join(self.keys, "approver", "operator")
        self.operator.join(self.keys, "operator")
        revoke_key(self.keys, "fred")
        self.stranger = Person("eve")
        self.trust = load_trust(self.keys)
        self.role: Role = make_decoded_role(SETTINGS, role="gate", partition=0, trust=self.trust, audience=HERE)
        self.us = START
        self.offsets: Counter[str] = Counter()
        machine = load_signer(self.keys, "control", HERE)
        for kind, value in (("settings", SETTINGS.settings_hash), ("pause", "running")):
            order = Control(id=kind, time_us=START, kind=kind, target="loop", value=value, by=CHOSEN_BY)  # type: ignore[arg-type]
            assert not letters(self.give(machine.sign(wire.encode(order, loop="lab"))))

    def give(self, message: Message) -> list[Event]:
        """Let the gate read one record."""
        offset = self.offsets[message.topic]
        self.offsets[message.topic] += 1
        batch = RawBatch(
            topic=message.topic,
            partition=0,
            offsets=[offset],
            keys=[message.key],
            values=[message.value],
            headers=[message.headers],
        )
        return self.role.fold([batch], Now(self.us, self.us))

    def asked(self, number: int, action: str) -> Verdict:
        """Let the loop propose an action, which a person must approve; return the question."""
        self.us += SECOND
        proposal = Proposal(
            id=f"p{number}",
            time_us=self.us,
            entity=f"e{number}",
            episode="",
            pattern="p-1",
            action=action,
            propensity=1.0,
            probabilities={action: 1.0},
            expires_us=self.us + 60 * SECOND,
            model="m",
        )
        verdicts = [one for one in self.give(wire.encode(proposal, loop="lab")) if isinstance(one, Verdict)]
        (verdict,) = [one for one in verdicts if one.proposal == proposal]  # others are too old to be remembered
        assert verdict.verdict == "escalate"
        return verdict

    def answer(self, verdict: Verdict, person: Person, /, *, audience: Audience = HERE, **fields: object) -> Approval:
        assert verdict.final is not None
        values: dict[str, object] = {
            "id": f"{person.name}-{verdict.proposal.id}",
            "time_us": self.us,
            "proposal": verdict.proposal.id,
            "proposal_hash": verdict.proposal.digest(),
            "action_hash": verdict.final.digest(),
            "decision": "approve",
            "person": person.name,
            "not_after_us": self.us + 60 * SECOND,
        }
        return person.signed(msgspec.convert(values | fields, Approval), audience)


def letters(outputs: list[Event]) -> list[str]:
    return [event.reason for event in outputs if isinstance(event, DeadLetter)]


def sent(approval: Approval) -> list[Message]:
    return [wire.encode(approval, loop="lab")]


def changed(approval: Approval, **fields: object) -> list[Message]:
    return sent(msgspec.structs.replace(approval, **fields))


def _bytes_twice(site: Site, verdict: Verdict) -> list[Message]:
    """Say reject to who takes the first of two members, approve to who takes the last."""
    (message,) = sent(site.answer(verdict, site.honest[0], decision="reject"))
    value = (message.value or b"").replace(b'"decision":"reject"', b'"decision":"reject","decision":"approve"')
    return [msgspec.structs.replace(message, value=value)]


def _as_machine(site: Site, verdict: Verdict) -> list[Message]:
    """Sign with each machine's key, in the headers, as orders are."""
    unsigned = msgspec.structs.replace(site.answer(verdict, site.honest[0]), signature="")
    message = wire.encode(unsigned, loop="lab")
    return [load_signer(site.keys, purpose, HERE).sign(message) for purpose in ("control", "actions", "outcomes")]


def _same_person_twice(site: Site, verdict: Verdict) -> list[Message]:
    first, second = site.answer(verdict, site.honest[0]), site.answer(verdict, site.honest[0], id="again")
    return sent(first) + sent(second) + sent(first)


Attack = Callable[[Site, Verdict], list[Message]]
ANSWERS: dict[str, tuple[str, Attack]] = {
    # kind: the action that is asked about, and what an attacker sends
    "a stranger": ("restart", lambda s, v: sent(s.answer(v, s.stranger))),
    "a stranger by a known name": ("restart", lambda s, v: sent(s.answer(v, s.stranger, person="ada"))),
    "another's name": ("restart", lambda s, v: sent(s.answer(v, s.honest[0], person="bob"))),
    "no approver": ("restart", lambda s, v: sent(s.answer(v, s.operator))),
    "a revoked key": ("restart", lambda s, v: sent(s.answer(v, s.withdrawn))),
    "unsigned": ("restart", lambda s, v: changed(s.answer(v, s.honest[0]), signature="")),
    "a machine's key": ("restart", _as_machine),
    "made a yes of a no": (
        "restart",
        lambda s, v: changed(s.answer(v, s.honest[0], decision="reject"), decision="approve"),
    ),
    "two decisions": ("restart", _bytes_twice),
    "of another cluster": ("restart", lambda s, v: sent(s.answer(v, s.honest[0], audience=ELSEWHERE[0]))),
    "of another loop": ("restart", lambda s, v: sent(s.answer(v, s.honest[0], audience=ELSEWHERE[1]))),
    "another proposal": (
        "restart",
        lambda s, v: changed(s.answer(v, s.honest[0], proposal="p0"), proposal=v.proposal.id),
    ),
    "other bytes of the proposal": ("restart", lambda s, v: sent(s.answer(v, s.honest[0], proposal_hash="0" * 64))),
    "another action": ("restart", lambda s, v: sent(s.answer(v, s.honest[0], action_hash="0" * 64))),
    "no action at all": ("restart", lambda s, v: sent(s.answer(v, s.honest[0], action_hash=""))),
    "too late": ("restart", lambda s, v: sent(s.answer(v, s.honest[0], not_after_us=s.us))),
    "made longer": ("restart", lambda s, v: changed(s.answer(v, s.honest[0], not_after_us=s.us), not_after_us=2**60)),
    "one's own settings": ("restart", lambda s, v: sent(s.answer(v, s.chooser))),
    "one where two must": ("wipe", lambda s, v: sent(s.answer(v, s.honest[0]))),
    "one person twice": ("wipe", _same_person_twice),
    "one and a stranger": ("wipe", lambda s, v: sent(s.answer(v, s.honest[0])) + sent(s.answer(v, s.stranger))),
    "two over other bytes": (
        "wipe",
        lambda s, v: sent(s.answer(v, s.honest[0])) + sent(s.answer(v, s.honest[1], action_hash="0" * 64)),
    ),
}
SILENT = {
    "other bytes of the proposal", "another action", "no action at all", "too late", "one's own settings",
    "one where two must", "one person twice", "two over other bytes",
}  # fmt: skip
"""Attacks with a signature that counts: not a dead letter, but a question that stays open."""


def attack_gate(site: Site, cases: int) -> tuple[Counter[str], list[tuple[Message, Action]]]:
    """Attack so many times, with valid answers between; return what was refused, by kind, and what was let through."""
    refused: Counter[str] = Counter()
    through: list[tuple[Message, Action]] = []
    signer = load_signer(site.keys, "actions", HERE)
    kinds = list(ANSWERS)
    for number in range(cases):
        valid = site.draw.random() < VALID_SHARE
        kind = kinds[number % len(kinds)]
        action, attack = ("wipe" if site.draw.random() < 0.5 else "restart", None) if valid else ANSWERS[kind]
        verdict = site.asked(number, action)
        if attack is None:
            people = site.draw.sample(site.honest, 2 if action == "wipe" else 1)
            messages = [message for person in people for message in sent(site.answer(verdict, person))]
        else:
            messages = attack(site, verdict)
        outputs = [event for message in messages for event in site.give(message)]
        acted = [event for event in outputs if isinstance(event, Action)]
        assert len(acted) == valid, (kind, outputs)
        through += [(signer.sign(wire.encode(one, loop="lab")), one) for one in acted]
        if not valid:
            assert (letters(outputs) == []) == (kind in SILENT), (kind, outputs)
            refused[kind] += 1
    return refused, through


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, seed=7)


def test_no_answer_that_should_not_count_makes_an_action(site: Site) -> None:
    refused, through = attack_gate(site, ATTACKS)
    assert set(refused) == set(ANSWERS)
    assert len(through) + sum(refused.values()) == ATTACKS
    assert len(through) > 0.5 * VALID_SHARE * ATTACKS


@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_no_answer_of_ten_thousand_that_should_not_count_makes_an_action(site: Site) -> None:
    refused, through = attack_gate(site, 10 * ATTACKS)
    assert len(through) + sum(refused.values()) == 10 * ATTACKS
    attack_executor(site, through, 10 * ATTACKS)


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


def test_outcomes_that_nobody_signed_reach_no_processor(site: Site) -> None:
    """What an executor did not sign raises no level and ends no action: the gate never folds it."""
    _, through = attack_gate(site, 50)
    before = site.role.snapshot()
    for _, action in through:
        for state in ("claimed", "succeeded", "failed"):
            outcome = Outcome(
                id=f"{action.id}-{state}", time_us=site.us, action=action.id, entity=action.entity, group="g",
                executor="x", state=state,  # type: ignore[arg-type]
            )  # fmt: skip
            message = wire.encode(outcome, loop="lab")
            stranger = site.stranger.signer("control", HERE).sign(message)
            gate = load_signer(site.keys, "actions", HERE).sign(message)
            for forged in (message, stranger, gate):
                (letter,) = site.give(forged)
                assert isinstance(letter, DeadLetter)
                assert letter.reason in ("unsigned", "unknown-key", "wrong-purpose")
    after = msgspec.msgpack.decode(site.role.snapshot())
    assert after["processors"] == msgspec.msgpack.decode(before)["processors"]
    assert after["seen"] == msgspec.msgpack.decode(before)["seen"]


def test_nobody_proposes_in_anothers_name_or_without_a_role(site: Site) -> None:
    def proposed(person: Person, by: str) -> Message:
        proposal = Proposal(
            id=f"{person.name}-{by}", time_us=site.us, entity="e", episode="", pattern="p-1", action="restart",
            propensity=1.0, probabilities={"restart": 1.0}, expires_us=site.us + SECOND, model="person", by=by,
        )  # fmt: skip
        return person.signer("proposals", HERE).sign(wire.encode(proposal, loop="lab"))

    helper = Person("hal").join(site.keys, "approver")
    text = (site.keys / "keyring.json").read_text()
    keyring = Control(id="keyring", time_us=site.us, kind="keyring", target="loop", value=text, by="root")
    assert letters(site.give(wire.encode(keyring, loop="lab"))) == []
    assert isinstance(site.give(proposed(site.operator, "dan"))[0], Verdict)
    for message, reason in (
        (proposed(site.operator, "ada"), "wrong-person"),
        (proposed(site.stranger, "eve"), "unknown-key"),
        (proposed(site.withdrawn, "fred"), "revoked-key"),
        (proposed(helper, "hal"), "wrong-purpose"),
    ):
        assert letters(site.give(message)) == [reason]
