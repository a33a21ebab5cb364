"""Profiles are other defaults, in one table that the example of `flyball init` agrees with."""

import json
import tomllib
from pathlib import Path

import pytest

from streams.loop.durations import parse_duration
from streams.settings import EXAMPLE, NAMES, PROFILES, load_written_presets, parse
from streams.settings.profiles import preset_keys

LEAST = """
[loop]
name = "my-loop"
[actions.restart]
"""


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_profile_is_other_defaults_and_every_key_of_the_file_wins_over_it(profile: str) -> None:
    text = LEAST.replace("[actions", f'profile = "{profile}"\n[actions')
    settings = parse(text, name="loop.toml")
    for section, keys in PROFILES[profile].items():
        for key, value in keys.items():
            found = getattr(settings, section)
            assert getattr(found, key, None) == value or getattr(found, f"{key}_us") == parse_duration(value)
    assert parse(text + "[gate]\nconcurrency = 7", name="loop.toml").gate.concurrency == 7


@pytest.mark.parametrize("path", preset_keys())
def test_the_example_leaves_what_profiles_preset_to_them_and_says_what_that_is(path: str) -> None:
    """A key that is written out wins over every profile: switching would do nothing."""
    section, key = path.split(".")
    assert key not in tomllib.loads(EXAMPLE).get(section, {})
    part = EXAMPLE.split(f"\n[{section}]", 1)[1].split("\n[", 1)[0]
    (line,) = [line for line in part.splitlines() if line.startswith(f"# {key} = ")]
    for profile, presets in PROFILES.items():
        if key in presets.get(section, {}):
            assert f"{profile}: {json.dumps(presets[section][key])}" in line


def test_switching_the_profile_of_the_example_changes_the_settings() -> None:
    texts = {name: EXAMPLE.replace('profile = "speed"', f'profile = "{name}"') for name in NAMES}
    found = {name: parse(text, name="loop.toml") for name, text in texts.items()}
    assert len({settings.settings_hash for settings in found.values()}) == len(NAMES)
    for name, settings in found.items():
        assert parse(EXAMPLE, name="loop.toml", profile=name) == settings


def test_keys_that_a_file_writes_out_although_profiles_preset_them_are_named(tmp_path: Path) -> None:
    path = tmp_path / "loop.toml"
    path.write_text(LEAST + "[gate]\nconcurrency = 7\nevidence_age = '9s'\n[policy]\nfloor = 0.1")
    assert load_written_presets(path) == ("gate.concurrency", "policy.floor")
    path.write_text(EXAMPLE)
    assert load_written_presets(path) == ()
