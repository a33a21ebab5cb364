"""Orders count by the clock of when they were written, for a role that folds them much later."""

from pathlib import Path

import pytest

from schemas import wire
from schemas.events import Control, DeadLetter
from schemas.keyfiles import create_keys, load_trust
from schemas.raw import RawBatch
from schemas.signing import Audience
from streams.loop.decode import make_decode
from streams.loop.processor import Now
from streams.loop.role import Role
from tests.schemas.people import Person

HERE = Audience(cluster="c", loop="lab")
DAY_US = 86_400_000_000


@pytest.mark.parametrize(
    ("written_us", "refused"),
    [((DAY_US,), []), ((91 * DAY_US,), ["expired-key"]), ((0,), ["expired-key"]), ((), ["expired-key"])],
)
def test_a_key_that_ran_out_counts_for_what_the_broker_says_was_written_before(
    written_us: tuple[int, ...], refused: list[str], tmp_path: Path
) -> None:
    """Whatever the order itself claims."""
    create_keys(tmp_path)
    ada = Person("ada").join(tmp_path, "operator", not_after_us=90 * DAY_US)
    order = Control(id="1", time_us=DAY_US, kind="stop", target="loop", value="stopped", by="ada")
    message = ada.signer("control", HERE).sign(wire.encode(order, loop="lab"))
    role = Role(name="gate", loop="lab", processors=[], decode=make_decode(trust=load_trust(tmp_path), audience=HERE))
    batch = RawBatch(
        topic="control",
        partition=0,
        offsets=[0],
        keys=[message.key],
        values=[message.value],
        headers=[message.headers],
        written_us=written_us,
    )
    letters = role.fold([batch], Now(91 * DAY_US, 91 * DAY_US))
    assert [letter.reason for letter in letters if isinstance(letter, DeadLetter)] == refused
