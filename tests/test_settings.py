"""A loop.toml becomes one frozen struct, or a list of everything that is wrong with it."""

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SettingsError
from streams.settings import EXAMPLE, Settings, load, parse, world_settings
from streams.settings.positions import Positions

LEAST = """
[loop]
name = "my-loop"
[actions.restart]
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        parse(text, name="loop.toml")
    return error.value.problems


def test_the_example_of_init_says_what_is_the_default_anyway() -> None:
    assert parse(EXAMPLE, name="loop.toml") == parse(LEAST, name="loop.toml")


def test_the_example_names_every_section_and_explains_every_key_that_it_sets() -> None:
    for section in ("kafka", "retention", *(field for field in tomllib.loads(EXAMPLE))):
        assert f"[{section}" in EXAMPLE
    for line in EXAMPLE.splitlines():
        if " = " in line and not line.startswith("#") and "levels" not in line:
            assert "#" in line or line.startswith(("default", "novel", "reversible")), line


def test_the_commented_parts_of_the_example_are_valid_too() -> None:
    lines = [
        line.removeprefix("# ") if " = " in line or line.startswith("# [") else line for line in EXAMPLE.split("\n")
    ]
    settings = parse("\n".join(lines), name="loop.toml")
    assert settings.kafka is not None
    assert settings.kafka.sasl_mechanism == "SCRAM-SHA-512"
    assert settings.levels.of("p-1", "restart") == "act"
    assert settings.actions["restart"].parameters == {"grace": "5s"}


TEN_MISTAKES = """\
[loop]
nam = "lab"
[detect]
window = "soon"
threshold = "high"
[policy]
baseline = "reboot"
hold_out = { loop = 0.6, baseline = 0.6, none = 0.2 }
[gate]
concurency = 2
abnormal_share = 1.5
loop_limit = "3 per hour"
[levels]
default = "always"
[actions.restart]
cooldown = 10
"""
TEN_LINES = [
    'loop.toml:2: loop.nam: unknown key, did you mean "name"?',
    'loop.toml:4: detect.window: expected a duration such as "1s", "250ms" or "1h", got "soon"',
    'loop.toml:5: detect.threshold: expected a number, got "high"',
    'loop.toml:7: policy.baseline: expected a declared action (restart), got "reboot"',
    "loop.toml:8: policy.hold_out: shares must be at least 0 and add up to 1, got 1.4",
    'loop.toml:10: gate.concurency: unknown key, did you mean "concurrency"?',
    "loop.toml:11: gate.abnormal_share: expected a number from 0 to 1, got 1.5",
    'loop.toml:12: gate.loop_limit: expected a limit such as "3/hour and 7/day" or "20/10m", got "3 per hour"',
    'loop.toml:14: levels.default: expected "act" or "approve" or "observe" or "suggest", got "always"',
    'loop.toml:16: actions.restart.cooldown: expected a duration such as "1s", got 10',
]


def test_ten_mistakes_get_ten_clear_lines() -> None:
    assert problems_of(TEN_MISTAKES) == TEN_LINES


RENEWED = "[policy.renewal]\naction = '{}'\nfailed = 'down'"
HOURLY = f"[policy]\noutcome_wait = '3h'\n{RENEWED}\n[detect]\nwindow = '1h'\nidle = '2h'\ngone = '1d'\n".format(
    "restart"
)
WRONG: list[tuple[str, str]] = [
    # after the least that a loop needs; line, key, expectation and what came
    ("[gat]", '5: gat: unknown key, did you mean "gate"?'),
    ("[lop]\n", '5: lop: unknown key, did you mean "loop"?'),
    ("gate = 3", "5: actions.restart.gate: unknown key, expected one of"),
    ("[gate]\nconcurrency = true", "6: gate.concurrency: expected a whole number from 1 to 1000000, got true"),
    ("[gate]\nconcurrency = 1.0", "6: gate.concurrency: expected a whole number from 1 to 1000000, got 1.0"),
    ("[gate]\nconcurrency = 0", "6: gate.concurrency: expected a whole number from 1 to 1000000, got 0"),
    ("[gate]\nabnormal_share = nan", "6: gate.abnormal_share: expected a number from 0 to 1, got NaN"),
    ("[gate]\ncontrol_timeout = '0s'", '6: gate.control_timeout: expected a duration of at least 1us'),
    ("[gate]\nprotected = 'e1'", '6: gate.protected: expected a list, each a text in quotes, got "e1"'),
    ("[gate]\nprotected = ['e1', 2]", "6: gate.protected: expected a text in quotes, got 2"),
    ("[gate]\nloop_limit = 5", "6: gate.loop_limit: expected a text in quotes, got 5"),
    ("[gate]\ncontrol_timeout_us = 5", '6: gate.control_timeout_us: unknown key, did you mean'),
    ("[gate]\nmaintenance = ['on Sundays']", "6: gate.maintenance: expected a maintenance window such as \"Sat 22:00"),
    ("[[gate]]", "5: gate: expected a table, got [{}]"),
    ("limit = '5/fortnight'", "5: actions.restart.limit: expected second, minute, hour, day, week or"),
    ("cost = 2", "5: actions.restart.cost: expected a number from 0 to 1, got 2"),
    ("expires = '0s'", '5: actions.restart.expires: expected longer than 0s, got "0s"'),
    ("[telemetry]\npartitions = 0", "6: telemetry.partitions: expected at least 1, got 0"),
    ("[ingest]\nlinger = '0s'", "6: ingest.linger: expected at least 1, got 0"),
    ("name = 'x'", "5: actions.restart.name: unknown key"),
    ("[policy.renewal]\naction = 'restart'", "5: policy.renewal.failed: missing, and there is no default"),
    (RENEWED.format("mend"), '6: policy.renewal.action: expected a declared action (restart), got "mend"'),
    (RENEWED.format("restart") + "\nfailure_cost = 1", "8: policy.renewal.failure_cost: must be above 1 (cost), got 1"),
    ("[detect]\nwindow = '6s'", "1: outcome.horizon: expected at least 18s (outcome.normal_windows, and one more, of"),
    ("[outcome]\nhorizon = '3s'\nnormal_windows = 3", '6: outcome.horizon: expected at least 4s ('),
    ("[outcome]\nwindows_limit = 2000\nhorizon = '898s'", "1: policy.outcome_wait: expected at least 901s (outcome.h"),
    ("[detect]\nlateness = '1m'", "1: outcome.horizon: expected at least 1m ("),
    (
        "[outcome]\nhorizon = '10m'",
        "5: outcome.windows_limit: expected at least 601 (outcome.horizon of 10m in detect.window of 1s, and one more)",
    ),
    ("[outcome]\nwindows_limit = 4\n[detect]\nwindow = '4s'", "6: outcome.windows_limit: expected at least 5 (out"),
    ("[policy]\noutcome_wait = '17s'", "6: policy.outcome_wait: expected at least 18s (outcome.horizon and"),
    ("[outcome.early]\nvalidity = 0.5", "5: outcome.early.after: missing, and there is no default"),
    ("[outcome]\nhorizon = '9s'\n[outcome.early]\nafter = '9s'", "7: outcome.early: must be read before the"),
    ("[outcome.early]\nafter = '5s'\npairs = 0", "7: outcome.early.pairs: expected a whole number from 1"),
    (HOURLY + "[outcome]\nhorizon = '2h'", "15: outcome.horizon: expected at least 3h (outcome.normal_windows,"),
    (
        RENEWED.format("restart") + "\n[outcome]\nhorizon = '15m'\nwindows_limit = 901",
        "5: policy.outcome_wait: expected at least 903s (",
    ),
    (RENEWED.format("restart") + "\nsilence = '1s'", "8: policy.renewal.silence: expected at least 2s (two of"),
    ("parameters = { grace = 5 }", "5: actions.restart.parameters.grace: expected a text in quotes, got 5"),
    ("[actions.none]", '5: actions.none: "none" is always an arm and cannot be declared'),
    ("[actions.ask]", '5: actions.ask: "ask" is what asking a person is called and cannot be declared'),
    ("[policy]\nask_cost = -0.1", "6: policy.ask_cost: expected a number"),
    ("cost = 0.25\n[policy]\nask_cost = 0.8", "7: policy.ask_cost: expected at most 0.75, so that it and the dearest"),
    ("[actions.'Re start']", "5: actions.Re start: expected lower-case letters"),
    ("[levels]\n'p-1/reboot' = 'act'", "6: levels.p-1/reboot: expected \"PATTERN/ACTION\""),
    ("[levels]\n'p-1/restart' = 'do'", '6: levels.p-1/restart: expected one of "observe", "suggest", '),
    ("[retention]\ntelemetri = '1d'", '6: retention.telemetri: unknown key, did you mean "telemetry"?'),
    ("[retention]\ncontrol = '1d'", "6: retention.control: is kept for ever or compacted"),
    ("[retention]\ntelemetry = '40d'", "6: retention.telemetry: expected at most 35d"),
    ("[retention]\ntelemetry = 3", '6: retention.telemetry: expected a duration such as "3d", got 3'),
    ("[outcome]\nescalation = '1m'", "6: outcome.escalation: expected longer than gate.approval_window (10m)"),
    ("[detect]\nidle = '2m'", "6: detect.idle: must be at most"),
    ("[kafka]\nsecurity_protocol = 'TLS'", '6: kafka.security_protocol: expected "PLAINTEXT" or "SASL_PLAINTEXT"'),
    ("[kafka]\nreplication = 0", "6: kafka.replication: expected a whole number from 1 to 15, got 0"),
    ("[lab]\nfoo = 1\n[fleet]\nkinds = 2\n[fleets]", '9: fleets: unknown key, did you mean "fleet"?'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_each_mistake_is_one_line_with_place_expectation_and_what_came(text: str, says: str) -> None:
    (problem,) = problems_of(LEAST + text)
    assert problem.startswith(f"loop.toml:{says}")


SYNTAX: list[tuple[str, str]] = [
    ("[loop]\nname = ", "loop.toml:2: not valid TOML: invalid value"),
    ("[loop]\nname = 'a'\nname = 'b'", "loop.toml:3: not valid TOML: cannot overwrite a value"),
    ("[loop]\nname = '''a\n", "loop.toml:3: not valid TOML: expected \"'''\""),
    ("[loop\n", "loop.toml:1: not valid TOML: expected ']'"),
]


@pytest.mark.parametrize(("text", "says"), SYNTAX)
def test_broken_toml_is_one_problem_with_its_line(text: str, says: str) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith(says)


def test_an_empty_file_is_told_what_a_loop_needs() -> None:
    assert problems_of("") == [
        "loop.toml:1: actions: missing: declare at least one action, [actions.NAME]",
        "loop.toml:1: loop: missing: a loop needs at least [loop] with a name",
    ]


def test_files_that_cannot_be_read_are_settings_errors_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="`flyball init` writes one"):
        load(tmp_path / "loop.toml")
    (tmp_path / "loop.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="expected UTF-8"):
        load(tmp_path / "loop.toml")
    (tmp_path / "loop.toml").write_text(LEAST, encoding="utf-8")
    assert load(tmp_path / "loop.toml") == parse(LEAST, name="any")


def test_what_is_written_is_what_is_read() -> None:
    settings = parse(
        LEAST
        + """
limit = "60/hour"
cooldown = "1.5s"
cost = 1
parameters.grace = "5s"
[kafka]
bootstrap = "b:9092"
replication = 3
[detect]
window = "250ms"
[outcome]
horizon = "1m"
[levels]
default = "act"
"p-1/restart" = "approve"
[retention]
telemetry = "12h"
[lab]
services = 12
""",
        name="loop.toml",
    )
    assert settings.actions["restart"].limit == "60/hour"
    assert settings.actions["restart"].cooldown_us == 1_500_000
    assert settings.actions["restart"].cost == 1.0
    assert settings.actions["restart"].parameters == {"grace": "5s"}
    assert settings.kafka is not None
    assert (settings.kafka.bootstrap, settings.kafka.replication) == ("b:9092", 3)
    assert settings.detect.window_us == 250_000
    assert settings.attribute.horizon_us == 60_000_000
    assert settings.levels.of("p-1", "restart") == "approve"
    assert settings.retention == {"telemetry": 43_200_000_000}
    assert settings.lab == {"services": 12}


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a world that the loop does not know."""

    services: int = 3
    boot_us: int = 1_000_000
    span: tuple[float, float] = (0.0, 1.0)


def test_a_worlds_section_is_passed_on_and_checked_where_its_struct_is_known() -> None:
    text = LEAST + "[lab]\nservices = 5\nboot = '2s'\nspan = [1, 2.5]"
    settings = parse(text, name="loop.toml", worlds={"lab": World})
    assert settings.lab == {"services": 5, "boot": "2s", "span": [1, 2.5]}
    assert world_settings(World, settings) == World(services=5, boot_us=2_000_000, span=(1.0, 2.5))
    wrong = LEAST + "[lab]\nservice = 5\nspan = [1]"
    with pytest.raises(SettingsError) as error:
        parse(wrong, name="loop.toml", worlds={"lab": World})
    assert error.value.problems == [
        'loop.toml:6: lab.service: unknown key, did you mean "services"?',
        "loop.toml:7: lab.span: expected a list of 2: a number, a number, got [1]",
    ]
    with pytest.raises(SettingsError, match=r"lab\.service: unknown key"):
        world_settings(World, parse(wrong, name="loop.toml"))


def hash_of(text: str) -> str:
    return parse(text, name="loop.toml").settings_hash


@pytest.mark.parametrize(
    "text",
    [
        "[detect]\nwindow = '5s'",
        "[outcome]\nhorizon = '3s'",
        "[detect]\nwindow = '0s'\n[outcome]\nhorizon = '1us'",
        "[outcome]\nhorizon = '897s'\n[detect]\nwindow = '10s'",
        "[outcome]\nhorizon = '511s'",
        "[outcome]\nhorizon = '10m'\nwindows_limit = 601",
        "[outcome]\nhorizon = '10m'\n[detect]\nwindow = '0s'",
        "[detect]\nlateness = '15s'",
        "[policy]\noutcome_wait = '18s'",
    ],
)
def test_a_horizon_may_be_as_short_or_as_long_as_outcomes_can_be_measured(text: str) -> None:
    assert parse(LEAST + text, name="loop.toml")


def test_a_horizon_that_cannot_be_read_is_one_problem() -> None:
    assert problems_of(LEAST + "[detect]\nwindow = '1m'\n[outcome]\nhorizon = 'ten'") == [
        'loop.toml:8: outcome.horizon: expected a duration such as "1s", "250ms" or "1h", got "ten"'
    ]


MATTERS: list[tuple[str, bool]] = [
    ("# a comment", False),
    ("limit = '30/hour'", False),
    ("[kafka]\nsasl_password = 'secret'", False),
    ("[lab]\nservices = 3", False),
    ("[retention]\ntelemetry = '1d'", False),
    ("limit = '31/hour'", True),
    ("[gate]\nconcurrency = 5", True),
    ("[levels]\ndefault = 'act'", True),
    ("[detect]\nwindow = '2s'", True),
    ("[outcome]\nhorizon = '16s'", True),
    ("[policy]\nask_cost = 0.0", True),
]


@pytest.mark.parametrize(("text", "matters"), MATTERS)
def test_the_hash_changes_exactly_with_what_matters_to_decisions(text: str, matters: bool) -> None:
    assert (hash_of(LEAST + text) != hash_of(LEAST)) == matters


@pytest.mark.parametrize("name", ["", "..", "/", "a\\nb"])
def test_a_stop_file_is_one_file_and_nothing_that_is_decided_depends_on_where(name: str) -> None:
    (problem,) = problems_of(LEAST.replace("[actions", f'stop_file = "{name}"\n[actions'))
    assert problem.startswith("loop.toml:4: loop.stop_file: expected the name of a file in the folder data, got")
    assert hash_of(LEAST.replace("[actions", 'stop_file = "/run/flyball/STOP"\n[actions')) == hash_of(LEAST)


def test_the_canonical_text_holds_no_credentials_and_does_not_depend_on_the_order_of_keys() -> None:
    secret = parse(LEAST + "[kafka]\nsasl_password = 'secret'", name="loop.toml")
    assert "secret" not in secret.canonical
    turned = "[actions.restart]\n[gate]\nconcurrency = 4\n[loop]\nname = 'my-loop'\n"
    assert parse(turned, name="loop.toml").canonical == parse(LEAST, name="loop.toml").canonical


def test_that_asking_is_off_stands_in_no_canonical_text() -> None:
    assert "ask_cost" not in parse(LEAST, name="loop.toml").canonical


def test_settings_are_frozen_and_one_value() -> None:
    settings = parse(LEAST, name="loop.toml")
    with pytest.raises(AttributeError):
        settings.loop = None  # type: ignore[assignment,misc]
    assert msgspec.convert(msgspec.to_builtins(settings), Settings) == settings


PLACES = """\
# [not] = "a key"
a = "[b]\\" # c = 1"      # d = 1
b = '''
x = 1
'''
[c]   # comment
d = [
  1, # e = 2
  { f = 2 },
]
g = { h = 1, "i.j" = { k = [1, 2], l = "}" }, m.n = 1.5 }
"o p".q = 2020-01-01T00:00:00Z
[c.'r"s']
t = \"\"\"x = "1" \\\"\"\" [u]
\"\"\"
v = 1
[[w]]
y = 1
"""


def test_positions_are_those_of_the_keys() -> None:
    assert tomllib.loads(PLACES)
    places = Positions(PLACES)
    found = {
        ("a",): 2,
        ("b",): 3,
        ("c",): 6,
        ("c", "d"): 7,
        ("c", "g", "i.j", "l"): 11,
        ("c", "g", "m", "n"): 11,
        ("c", "o p", "q"): 12,
        ("c", 'r"s', "t"): 14,
        ("c", 'r"s', "v"): 16,
        ("w", "y"): 18,
    }
    assert {path: places.line(path) for path in found} == found
    assert places.line(("c", "unknown", "key")) == 6
    assert places.line(("unknown",)) == 1


@given(st.text(max_size=200))
def test_any_text_is_settings_or_problems_never_another_error(text: str) -> None:
    try:
        parse(text, name="loop.toml")
    except SettingsError as error:
        assert error.problems  # noqa: PT017  # both ends are right, a third one is not


VALUES = st.sampled_from(["1", "1.5", "true", '"x"', "[]", "{}", "[1]", "2020-01-01", "-3", '"1s"', '"3/hour"', "inf"])
KEYS = st.sampled_from(["loop.name", "loop.seed", "gate",
                         "gate.concurrency", "actions", "actions.restart", "levels.'x/y'",
                        "actions.restart.limit", "policy.hold_out", "detect.window", "retention.raw", "kafka.bootstrap",
                        "telemetry.fields", "lab", "levels.default", "outcome.horizon", "gate.protected"])  # fmt: skip


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_value_at_any_key_is_settings_or_problems_with_lines(pairs: dict[str, str]) -> None:
    text = "\n".join(f"{key} = {value}" for key, value in pairs.items())
    try:
        parse(text, name="loop.toml")
    except SettingsError as error:
        assert all(problem.startswith("loop.toml:") for problem in error.problems)  # noqa: PT017  # as above
