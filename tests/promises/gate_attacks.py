"""A seeded crowd of attackers on the gate's questions, with valid answers between."""

from collections import Counter
from collections.abc import Callable

import msgspec

from schemas import wire
from schemas.events import Action, Verdict
from schemas.keyfiles import load_signer
from schemas.raw import Message
from tests.promises.attacked import ELSEWHERE, HERE, Site, changed, letters, sent

VALID_SHARE = 0.1


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
