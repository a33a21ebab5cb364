"""What detects drift keeps the conventions of river, so that it goes where river's own detectors go."""

import pytest
from river import base
from river.checks import common

from streams.learners.adaptive_window import AdaptiveWindow
from streams.learners.drift_watch import DriftWatch
from tests.learners.test_half_space_trees import GENERAL


@pytest.mark.parametrize("name", [name for name in GENERAL if name != "tags"])  # of estimators
@pytest.mark.parametrize("detector", [AdaptiveWindow, DriftWatch])
def test_it_keeps_the_conventions_of_river(detector: type[base.DriftDetector], name: str) -> None:
    getattr(common, f"check_{name}")(detector())


@pytest.mark.parametrize("detector", [AdaptiveWindow(clock=4), DriftWatch(calibration=16)], ids=repr)
def test_a_clone_has_the_parameters_and_nothing_of_what_was_learned(detector: base.DriftDetector) -> None:
    for number in range(200):
        detector.update(float(number >= 100))
    cloned = detector.clone()
    assert repr(cloned) == repr(detector)
    assert not cloned.drift_detected
    drifts = 0
    for number in range(200):
        cloned.update(float(number >= 100))
        drifts += cloned.drift_detected
    assert drifts == 1
