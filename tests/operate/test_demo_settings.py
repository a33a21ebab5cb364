"""The loop of the demonstration: its settings and the lab's must fit each other."""

from importlib import resources
from itertools import pairwise

import pytest

from connectors.lab.faults import ACTIONS
from connectors.lab.settings import LabSettings
from streams.operate.demo import SEED
from streams.settings import Settings, parse, world_settings

TEXT = resources.files("streams.templates").joinpath("lab.toml").read_text()
SECOND = 1_000_000


@pytest.fixture
def settings() -> Settings:
    return parse(TEXT, name="lab.toml", worlds={"lab": LabSettings})


@pytest.fixture
def lab(settings: Settings) -> LabSettings:
    return world_settings(LabSettings, settings)


def test_every_action_that_the_lab_offers_may_be_chosen(settings: Settings) -> None:
    assert set(settings.actions) == set(ACTIONS)
    assert settings.policy.baseline in ACTIONS


def test_a_chosen_seed_is_that_of_the_loop_and_of_the_lab() -> None:
    chosen = parse(TEXT.replace(SEED, "seed = 99"), name="lab.toml", worlds={"lab": LabSettings})
    assert chosen.loop.seed == 99
    assert world_settings(LabSettings, chosen).seed == 99


def test_what_happens_to_a_service_fits_into_its_outcome_window_and_the_windows_do_not_overlap(
    settings: Settings, lab: LabSettings
) -> None:
    windows = settings.detect.onset + settings.detect.open_windows + 1
    decided_us = windows * settings.detect.window_us + SECOND // 2
    horizon_us = settings.attribute.horizon_us
    steps = {
        "a service comes up": 0,
        "the episode is decided": decided_us,
        "a slow restart ends": decided_us + lab.cold_boot_us,
        "the fault ends by itself": lab.fault_us,
        "its recovery is measured": lab.fault_us + settings.attribute.normal_windows * settings.detect.window_us,
        "the outcome window closes": decided_us + horizon_us,
        "the experience is written": decided_us + horizon_us + settings.attribute.grace_us,
        "the next fault": lab.apart_us + settings.detect.window_us,
    }
    for (first, first_us), (second, second_us) in pairwise(steps.items()):
        assert first_us < second_us, f"{first} at {first_us} us must be before {second} at {second_us} us"
    assert settings.detect.measure_after_us >= horizon_us


def test_a_lab_at_its_worst_does_not_stop_the_gate(settings: Settings, lab: LabSettings) -> None:
    assert lab.most_faults_at_once / lab.services < settings.gate.abnormal_share
