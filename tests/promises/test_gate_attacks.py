"""Attacks on the gate: nothing of what is forged, altered, stale or replayed is ever acted on.

A seeded crowd of attackers, with valid work between: every valid one goes through, of the others none, and each leaves
a reason behind. `ATTACKS` cases in an ordinary run, ten times as many in the long one.
"""

from pathlib import Path

import msgspec
import pytest

from schemas import wire
from schemas.events import Control, DeadLetter, Outcome, Proposal, Verdict
from schemas.keyfiles import load_signer
from schemas.raw import Message
from tests.promises.attacked import HERE, SECOND, Site, letters
from tests.promises.gate_attacks import ANSWERS, VALID_SHARE, attack_gate
from tests.schemas.people import Person

ATTACKS = 1_000


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, seed=7)


def test_no_answer_that_should_not_count_makes_an_action(site: Site) -> None:
    refused, through = attack_gate(site, ATTACKS)
    assert set(refused) == set(ANSWERS)
    assert len(through) + sum(refused.values()) == ATTACKS
    assert len(through) > 0.5 * VALID_SHARE * ATTACKS


def test_an_order_that_was_taken_back_is_never_in_force_again(site: Site) -> None:
    free = site.overtaken()
    site.forget()
    before = orders_of(site)
    for message in site.draw.choices(free, k=50):
        assert site.give(message) == []
    assert orders_of(site) == before
    assert before["stops"] == ["action:restart", "loop"]
    assert before["activated"] == "other"


def orders_of(site: Site) -> dict[str, object]:
    """Return what the gate's state says of orders, but which ids it heard."""
    processors = msgspec.msgpack.decode(site.role.snapshot())["processors"]
    (gate,) = [msgspec.msgpack.decode(state) for state in processors.values()]
    return {name: value for name, value in gate["orders"].items() if name != "heard"}


def test_keyrings_push_no_order_out_of_what_was_heard(site: Site) -> None:
    lift = site.ordered("rearm", "action:restart", "")
    site.give(lift)
    processors = msgspec.msgpack.decode(site.role.snapshot())["processors"]
    site.forget()
    site.give(lift)
    assert msgspec.msgpack.decode(site.role.snapshot())["processors"] == processors


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
