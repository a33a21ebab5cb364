"""The real entry point, as its own process with an almost empty environment."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.main import COMMANDS
from streams.cli.main import flyball as commands

FIRST_OF_MODULE = list({module: command for command, (module, _) in reversed(COMMANDS.items())}.values())


def flyball(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command_and_what_it_is_for(tmp_path: Path) -> None:
    result = flyball("--help", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    for name, (_, purpose) in COMMANDS.items():
        assert f"{name} " in result.stdout
        assert purpose.split()[0] in result.stdout


@pytest.mark.parametrize("command", FIRST_OF_MODULE)
def test_every_module_of_commands_loads_in_a_process_of_its_own(command: str, tmp_path: Path) -> None:
    result = flyball(command, "--help", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f" {command} " in result.stdout.splitlines()[0]


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(commands, [command, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output
    assert len(result.output.splitlines()) >= 5


def test_init_writes_a_file_that_check_accepts_and_never_overwrites(tmp_path: Path) -> None:
    assert flyball("init", ".", "--name", "mine", folder=tmp_path).returncode == 0
    checked = flyball("check", "--json", folder=tmp_path)
    assert json.loads(checked.stdout)["valid"] is True
    again = flyball("init", ".", folder=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_check_says_all_that_is_wrong_at_once_with_lines(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").write_text('[loop]\nname = "x"\nsede = 3\n[detect]\nwindow = "soon"\n')
    result = flyball("check", folder=tmp_path)
    assert result.returncode == 2
    assert "loop.toml:3: loop.sede" in result.stderr
    assert "loop.toml:5: detect.window" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_loop_without_a_broker_is_told_how_to_get_one(tmp_path: Path) -> None:
    flyball("init", ".", folder=tmp_path)
    result = flyball("status", folder=tmp_path)
    assert result.returncode == 6
    assert "flyball run" in result.stderr
    assert "Traceback" not in result.stderr


def test_keys_are_listed_without_their_secrets(tmp_path: Path) -> None:
    flyball("init", ".", folder=tmp_path)
    listed = json.loads(flyball("keys", "list", "--json", folder=tmp_path).stdout)
    assert {purpose for key in listed["keys"] for purpose in key["purposes"]} >= {"actions", "outcomes", "control"}
    assert all(len(key["public"]) == 44 for key in listed["keys"])


@pytest.mark.parametrize("command", ["pause", "resume", "stop", "rearm"])
def test_orders_for_what_nothing_can_fall_under_are_refused(command: str, tmp_path: Path) -> None:
    assert flyball("init", ".", "--name", "mine", folder=tmp_path).returncode == 0
    refused = flyball(command, "action:no-such-action", folder=tmp_path)
    assert refused.returncode == 2
    assert "pattern:ID, entity:NAME, got 'action:no-such-action'" in refused.stderr


@pytest.mark.parametrize("command", ["pause", "resume", "stop", "rearm", "cancel", "settle", "level", "activate"])
def test_orders_say_what_their_exit_code_means(command: str) -> None:
    said = " ".join(CliRunner().invoke(commands, [command, "--help"]).output.split())
    assert "1 when " in said
    assert "confirmed" in said
    assert "within 12 s" in said


@pytest.mark.parametrize("command", ["pause", "resume", "stop", "rearm"])
def test_orders_without_a_target_are_about_the_loop(command: str, tmp_path: Path) -> None:
    assert flyball("init", ".", "--name", "mine", folder=tmp_path).returncode == 0
    assert flyball(command, folder=tmp_path).returncode == 6  # understood, but there is no broker


def test_a_stop_file_is_written_and_removed_without_kafka_and_without_keys(tmp_path: Path) -> None:
    assert flyball("init", ".", "--name", "mine", folder=tmp_path).returncode == 0
    shutil.rmtree(tmp_path / "keys")
    stop_file = tmp_path / "var" / "STOP"
    said = flyball("stop", "--local", "--as", "ada", "--reason", "smoke", folder=tmp_path)
    assert (said.returncode, said.stderr) == (0, "")
    assert f"stopped on this machine: {stop_file.relative_to(tmp_path)}" in said.stdout
    note = json.loads(stop_file.read_text())
    assert (note["by"], note["reason"]) == ("ada", "smoke")
    assert note["time_us"] > 0

    again = flyball("stop", "--local", "--as", "bob", folder=tmp_path)
    assert (again.returncode, json.loads(stop_file.read_text())) == (0, note)
    assert "stopped on this machine already" in again.stdout
    assert (
        f"stopped on this machine: stop file {stop_file.relative_to(tmp_path)}"
        in flyball("status", folder=tmp_path).stdout
    )
    found = json.loads(flyball("doctor", "--json", folder=tmp_path).stdout)
    (finding,) = (one for one in found if one["check"] == "stop file")
    assert finding["level"] == "warn"
    assert "by ada: smoke" in finding["found"]

    lifted = flyball("rearm", "--local", folder=tmp_path)
    assert (lifted.returncode, stop_file.exists()) == (0, False)
    assert "rearmed on this machine" in lifted.stdout
    assert "was not there" in flyball("rearm", "--local", folder=tmp_path).stdout


def test_a_stop_of_this_machine_has_no_target(tmp_path: Path) -> None:
    assert flyball("init", ".", folder=tmp_path).returncode == 0
    aimed = flyball("stop", "action:restart", "--local", folder=tmp_path)
    assert (aimed.returncode, "expected no TARGET with --local" in aimed.stderr) == (2, True)
    assert not (tmp_path / "var" / "STOP").exists()


def test_a_stop_file_that_cannot_be_written_is_told_and_counts_as_there(tmp_path: Path) -> None:
    assert flyball("init", ".", folder=tmp_path).returncode == 0
    (tmp_path / "var").write_text("no folder")
    refused = flyball("stop", "--local", folder=tmp_path)
    assert (refused.returncode, "var/STOP cannot be written" in refused.stderr) == (2, True)
    assert "stop file var/STOP cannot be looked for: Not a directory" in flyball("status", folder=tmp_path).stdout


def test_a_key_of_a_machine_does_not_raise_to_act_and_the_error_says_what_does(tmp_path: Path) -> None:
    assert flyball("init", ".", folder=tmp_path).returncode == 0
    refused = flyball("level", "*/restart", "act", "--as", "ada", folder=tmp_path)
    assert refused.returncode == 2
    assert "a person must sign the level act: name your SSH key (--key FILE); `flyball keys add NAME" in refused.stderr
    text = (tmp_path / "loop.toml").read_text()
    (tmp_path / "loop.toml").write_text(text.replace('raise = "signed"', 'raise = "auto"'))
    assert flyball("level", "*/restart", "act", folder=tmp_path).returncode == 6  # only Kafka is missing
