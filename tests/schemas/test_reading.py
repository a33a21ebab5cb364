"""Who ordered: a person, by the own key, or whoever holds a key of a machine, in whatever name."""

from pathlib import Path

import pytest

from schemas import wire
from schemas.errors import SignatureError
from schemas.events import Control
from schemas.keyfiles import create_keys, load_signer, load_trust
from schemas.orders import in_person
from schemas.reading import read_event
from schemas.signing import Audience, Signer
from tests.schemas.people import Person

HERE = Audience(cluster="c", loop="lab")


def heard(folder: Path, by: str, signer: Signer) -> Control:
    order = Control(id="1", time_us=1, kind="settings", target="loop", value="hash", by=by)
    message = signer.sign(wire.encode(order, loop="lab"))
    trust = load_trust(folder)
    event = read_event("control", message.key, message.value, message.headers, trust=trust, audience=HERE, now_us=1)
    assert isinstance(event, Control)
    return event


def test_what_a_persons_key_signed_is_of_that_person(tmp_path: Path) -> None:
    create_keys(tmp_path)
    ada = Person("ada").join(tmp_path, "operator")
    signer = ada.signer("control", HERE)
    assert heard(tmp_path, "ada", signer).by == "ada"
    assert in_person("ada")
    with pytest.raises(SignatureError, match="expected an order of ada"):
        heard(tmp_path, "bob", signer)


@pytest.mark.parametrize("name", ["ada", "", "eve, key control-0"])
def test_what_a_machines_key_signed_names_nobody_who_is_known(name: str, tmp_path: Path) -> None:
    create_keys(tmp_path)
    Person("ada").join(tmp_path, "operator")
    signer = load_signer(tmp_path, "control", HERE)
    by = heard(tmp_path, name, signer).by
    assert by == f"{name}, key {signer.key_id}"
    assert not in_person(by)
