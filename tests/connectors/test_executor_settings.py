"""The section [executors]: every mistake with its line, and handlers that do what the file says."""

import base64
import io
import time
from pathlib import Path

import pytest

from connectors.executors.build import Handlers, Surroundings, executor_settings
from connectors.executors.log import LogHandler
from connectors.executors.settings import ExecutorsSettings
from schemas.connection import KafkaConnection
from schemas.errors import SettingsError
from schemas.signing import Signer
from streams.operate.loop_place import LoopPlace
from streams.settings import Settings, parse, world_settings
from tests.connectors.http_target import HttpTarget, says
from tests.connectors.memory import Memory, action, execute

BEGIN = """\
loop.name = "my-loop"
policy.baseline = "mend"
[actions.mend]
executor = "{executor}"
"""
HOOK = """
[executors]
hosts = ["hooks.example.com"]
[executors.webhook.pager]
url = "https://hooks.example.com/flyball"
secret_env = "PAGER_SECRET"
"""
RESTART = """
[executors.command.restart]
argv = ["/bin/systemctl", "restart", "{entity}"]
"""


def read(text: str, executor: str = "log") -> Settings:
    return parse(BEGIN.format(executor=executor) + text, name="loop.toml", worlds={"executors": ExecutorsSettings})


def test_an_action_is_carried_out_by_what_the_file_names() -> None:
    settings = read(HOOK + RESTART, "command.restart")
    assert settings.actions["mend"].executor == "command.restart"
    found = world_settings(ExecutorsSettings, settings, section="executors")
    assert found.command["restart"].argv == ("/bin/systemctl", "restart", "{entity}")
    assert list(found.declared()) == ["webhook.pager", "command.restart"]


def test_what_carries_actions_out_is_nothing_that_the_gate_decides_by() -> None:
    assert read(HOOK + RESTART, "command.restart").settings_hash == read("").settings_hash


WRONG: list[tuple[str, str, str]] = [
    # executor of the action, the section, what is said
    ("command.restat", RESTART, "4: actions.mend.executor: expected one of log, lab, command.restart, got "),
    ("log", "[executors]\nlimit = '3 per hour'", "6: executors.limit: expected a limit such as"),
    ("log", "[executors]\nattempts = 0", "6: executors.attempts: expected a whole number from 1 to 100, got 0"),
    ("log", "[executors]\nwebhok = 1", '6: executors.webhok: unknown key, did you mean "webhook"?'),
    ("log", HOOK.replace("https", "http"), "9: executors.webhook.pager.url: must begin with https:// unless"),
    ("log", HOOK.replace("https://", ""), '9: executors.webhook.pager.url: expected a URL https://HOST/PATH'),
    ("log", HOOK.replace('["hooks', '["hook'), '7: executors.hosts: must name the host of webhook.pager: "hooks'),
    ("log", HOOK.replace("secret_env", "secret"), "10: executors.webhook.pager.secret: unknown key"),
    ("log", HOOK + "secret_file = 'x'", "10: executors.webhook.pager.secret_env: or secret_file must say where"),
    ("log", HOOK + "timeout = '2h'", "11: executors.webhook.pager.timeout: expected a duration from 1ms to 1h"),
    ("log", "[executors.command.x]\nargv = ['restart']", "6: executors.command.x.argv: must begin with the absolute"),
    ("log", "[executors.command.x]\nargv = ['/a', '{host}']", "6: executors.command.x.argv: knows {id}, {action}, "),
    ("log", "[executors.command.x]", "5: executors.command.x.argv: missing, and there is no default"),
    ("log", RESTART + "values = '['", "8: executors.command.restart.values: must be a regular expression"),
    ("log", RESTART + "folder = 'tmp'", "8: executors.command.restart.folder: must be an absolute path"),
    ("log", RESTART + "verify = { by = 'command.up' }", "6: executors: command.restart.verify.by must name one of "),
    ("log", RESTART + "verify = { by = 'command.restart', undo = 'x' }", "6: executors: command.restart.verify.undo "),
    ("log", "[executors.kafka.plant]\ntopic = 'commands'", "6: executors.kafka.plant.topic: must be PREFIX.NAME"),
    ("log", "[executors.kafka.plant]\ntopic = 'x.actions'", "6: executors.kafka.plant.topic: must not be one that a"),
]  # fmt: skip


@pytest.mark.parametrize(("executor", "text", "says"), WRONG)
def test_each_mistake_is_told_with_its_line(executor: str, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(text, executor)
    assert any(problem.startswith(f"loop.toml:{says}") for problem in error.value.problems), error.value.problems


def handlers(settings: Settings, folder: Path, environment: dict[str, str]) -> Handlers:
    def no_signer(prefix: str) -> Signer:
        raise AssertionError(prefix)

    surroundings = Surroundings(
        folder=folder,
        environment=environment,
        connection=KafkaConnection(),
        signer_for=no_signer,
        why_paused=lambda _: None,
        built_in={"log": LogHandler(io.StringIO())},
    )
    chosen = {name: action.executor for name, action in settings.actions.items()}
    return Handlers(world_settings(ExecutorsSettings, settings, section="executors"), chosen, surroundings)


def test_a_command_of_the_file_runs_is_verified_and_told(tmp_path: Path) -> None:
    text = f"""
[executors.command.make]
argv = ["/usr/bin/touch", "{tmp_path}/{{entity}}"]
verify = {{ by = "command.there", within = "20s", every = "50ms" }}
[executors.command.there]
argv = ["/usr/bin/test", "-e", "{tmp_path}/{{entity}}"]
"""
    settings = read(text, "command.make")
    memory = Memory(action(entity="pump-1"))
    found = world_settings(ExecutorsSettings, settings, section="executors")
    times = executor_settings(found, {"mend": "command.make"}, seed=7)
    execute(memory, handlers(settings, tmp_path, {}).by_action, times)
    assert memory.ends[0][1] == "succeeded"
    assert memory.ends[0][2].startswith("verified after ")
    assert [path.name for path in tmp_path.iterdir()] == ["pump-1"]


def test_a_webhook_of_the_file_is_called_with_the_secret_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "hook.secret").write_text("whsec_" + base64.b64encode(b"x" * 32).decode())
    (tmp_path / "hook.secret").chmod(0o600)
    with HttpTarget(says(200)) as target:
        text = f"""
[executors]
hosts = ["127.0.0.1"]
[executors.webhook.pager]
url = "{target.url}"
secret_file = "hook.secret"
plain_http = true
private = true
"""
        memory = Memory(action())
        execute(memory, handlers(read(text, "webhook.pager"), tmp_path, {}).by_action)
    assert memory.ends == [("action-1", "succeeded", "answered 200")]


def test_a_missing_secret_stops_the_executor_before_it_takes_anything(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the variable PAGER_SECRET: expected a secret"):
        handlers(read(HOOK, "webhook.pager"), tmp_path, {})
    handlers(read(HOOK), tmp_path, {})  # nobody uses it: nobody asks for it


def test_an_unreachable_webhook_is_a_failed_action_with_the_reason_and_is_tried_as_often_as_allowed(
    tmp_path: Path,
) -> None:
    text = HOOK.replace("hooks.example.com", "no-such-host.invalid").replace(
        "[executors]\n", '[executors]\npause = "10ms"\n'
    )
    settings = read(text, "webhook.pager")
    secret = "whsec_" + base64.b64encode(b"x" * 32).decode()
    memory = Memory(action())
    found = world_settings(ExecutorsSettings, settings, section="executors")
    begun_s = time.monotonic()
    execute(
        memory,
        handlers(settings, tmp_path, {"PAGER_SECRET": secret}).by_action,
        executor_settings(found, {"mend": "webhook.pager"}, seed=7),
    )
    assert time.monotonic() - begun_s < 10
    ((_, state, detail),) = memory.ends
    assert state == "failed"
    assert detail.startswith("not sent: cannot resolve no-such-host.invalid")


def test_an_action_that_may_take_longer_than_the_gate_waits_is_told(tmp_path: Path) -> None:
    config = tmp_path / "loop.toml"
    text = RESTART + 'timeout = "50s"\nverify = { by = "command.restart", within = "20s" }'
    config.write_text(BEGIN.format(executor="log") + text)
    LoopPlace.open(config)
    config.write_text(BEGIN.format(executor="command.restart") + text)
    with pytest.raises(SettingsError) as error:
        LoopPlace.open(config)
    (problem,) = error.value.problems
    assert problem.startswith(
        f"{config}: actions.mend.executor: command.restart may take 70s with verification and undo"
    )
    assert problem.endswith("expected at most gate.outcome_timeout (1m)")


def test_an_action_has_the_time_of_its_executor_its_verification_and_its_undo() -> None:
    text = (
        RESTART
        + """
timeout = "20s"
verify = { by = "command.up", within = "30s", undo = "command.up" }
[executors.command.up]
argv = ["/bin/true"]
timeout = "5s"
[executors]
attempts = 2
pause = "250ms"
"""
    )
    settings = world_settings(ExecutorsSettings, read(text), section="executors")
    found = executor_settings(settings, {"mend": "command.restart", "look": "command.up", "say": "log"}, seed=7)
    assert {name: retries.timeout_s for name, retries in found.retries_of.items()} == {"mend": 55.0, "look": 5.0}
    assert (found.retries_of["mend"].attempts, found.retries_of["mend"].pause_s) == (2, 0.25)
