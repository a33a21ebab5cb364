"""A state and the settings it was made under belong together: what does not fit is refused, and says what to do."""

from dataclasses import replace

import pytest

from schemas.errors import RecoveryError
from tests.kafka import test_takeover
from tests.kafka.test_takeover import Place, folded_once

place = test_takeover.place


def test_steps_taken_under_other_settings_are_refused_until_a_clean_stop(place: Place) -> None:
    owner = folded_once(place)
    with pytest.raises(RecoveryError, match="step 0 was taken under settings test, these are edited: start once"):
        place.take(settings_hash="edited")
    again = place.owner(place.take())
    again.release(snapshot=True)
    owner.release(snapshot=False)
    assert place.take(settings_hash="edited").replayed == 0


def test_a_snapshot_is_refused_only_when_its_state_means_nothing_under_the_new_settings(place: Place) -> None:
    place.spec = replace(place.spec, state_settings="windows of 1 s")
    folded_once(place).release(snapshot=True)
    assert place.take(settings_hash="other limits").held.step == len(place.steps())
    with pytest.raises(RecoveryError, match="state means nothing under them; go back to"):
        place.take(state_settings="windows of 5 s")
