"""P5: after the emergency stop has returned, nothing of the swarm starts another vendor write.

One press under load with blows about it, one against vendors that are down, one on a full disk,
and what a stop makes of permits; `make stop-trials` plays a hundred seeded presses and publishes
what it measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from guardrails.brakes.stop import StopSwitch
from guardrails.hive import Hive
from guardrails.store import open_store
from tests.processes.live import query, run_live
from tests.processes.swarm import ROOT, SWARM, environment, records, run, swarm
from tests.promises.stop_cases import Strike, Trial, trial
from tests.promises.stop_stage import Stage, opened_stage

SCRIPT = ROOT / "scripts" / "emergency_stop.py"
HARD = Trial(
    seed=0, sent_before=3, wait_s=0.6, latency_ms={"instantly": 300, "ghl": 300}, pressers=2,
    strikes=(Strike("instantly", False, -0.3), Strike("ghl", True, 0.1)),
)  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with opened_stage(tmp_path_factory.mktemp("stops"), 48) as opened:
        yield opened


def running_campaigns(stage: Stage) -> list[str]:
    """What Instantly's twin shows as active."""
    env = stage.sandbox.get("env")
    answer = httpx.get(
        f"{env['INSTANTLY_BASE_URL']}/api/v2/campaigns", params={"limit": 100, "status": 1},
        headers={"Authorization": f"Bearer {env['INSTANTLY_API_KEY']}"}, trust_env=False,
    )  # fmt: skip
    return [one["name"] for one in answer.raise_for_status().json()["items"] if one["status"] == 1]


@pytest.mark.processes
@pytest.mark.kill
@pytest.mark.timeout(300)
def test_pressed_under_load_nothing_is_written_once_it_has_returned(stage: Stage) -> None:
    verdict = stage.play(HARD, keep=True)
    assert verdict.wrong == []
    assert verdict.late == 0
    assert verdict.written > 0
    assert running_campaigns(stage) == []
    hive = stage.folder(HARD) / "hive"
    pressed = [body for body in stops(hive) if body["stop"] == "pressed"]
    assert [body["epoch"] for body in pressed] == [1, 1], "two pressed, one stop"
    resumed_by_a_person_alone(hive)


def stops(hive: Path) -> list[dict[str, Any]]:
    """What stands on the audit record of stops."""
    return [one["body"] for one in records(hive) if one["kind"] == "stop"]


def resumed_by_a_person_alone(hive: Path) -> None:
    """A script is refused; a terminal is shown what would go on, and asked."""
    code, said = swarm(hive, "resume", "--reason", "drill over")
    assert (code, said["error"]["code"]) == (3, "refused")
    assert (hive / "STOP").exists()
    shown = typed(hive, "yes\n")
    assert "e-mails on their way out" in shown
    assert (hive / "STOP").exists(), "another word is no"
    typed(hive, "resume\n")
    assert not (hive / "STOP").exists()
    [row] = query(hive, "SELECT stopped, epoch FROM stop_state")
    assert row == {"stopped": 0, "epoch": 1}
    assert [body["reason"] for body in stops(hive) if body["stop"] == "lifted"] == ["drill over"]


def typed(hive: Path, words: str) -> str:
    """`swarm resume` at a terminal of its own, and what it showed there."""
    ours, theirs = pty.openpty()
    command = [*SWARM, "resume", "--hive", str(hive), "--reason", "drill over"]
    with subprocess.Popen(
        command, cwd=hive.parent, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(ours, words.encode())  # the terminal keeps it until it is asked for
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal ends
            while part := os.read(ours, 4096):
                shown += part
        process.wait(60)
    os.close(ours)
    return shown.decode("utf-8", "replace")


@pytest.mark.long
@pytest.mark.processes
@pytest.mark.timeout(300)
def test_resumed_the_same_command_goes_on_and_nobody_gets_two(stage: Stage) -> None:
    one = trial(7)
    verdict = stage.play(one, keep=True)
    assert verdict.wrong == []
    folder, before = stage.folder(one), len(stage.sandbox.outbox())
    typed(folder / "hive", "resume\n")
    stage.sandbox.behave(vendor_latency_ms={})
    code, report = run_live(
        folder / "hive", folder / "leads.csv", folder / "production.json", stage.sandbox,
        stage.offset_s,
    )  # fmt: skip
    assert code in {0, 1}, report
    mails = Counter(mail["to"] for mail in stage.sandbox.outbox())
    assert max(mails.values()) == 1
    assert sum(mails.values()) > before, "those by the CRM need no campaign and go on"


def press(hive: Path, *extra: str, **limits: Any) -> tuple[int, dict[str, Any]]:
    """The script as a person runs it, but for --json: exit code, and the report of that hive."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--json", "--hive", str(hive), *extra], cwd=hive.parent,
        env=environment(STOP_SWARM="1"), capture_output=True, text=True, timeout=120, check=False,
        **limits,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)["hives"][0]


@pytest.fixture
def quiet_hive(tmp_path: Path) -> Path:
    """A hive of the sandbox in which nothing runs."""
    hive = Hive.open(tmp_path / "hive", sandbox=True)
    open_store(hive).close()
    return hive.path


@pytest.mark.processes
def test_with_instantly_and_slack_down_it_says_what_it_could_not_verify(quiet_hive: Path) -> None:
    code, told = press(quiet_hive, "--twins", "9")  # nobody answers there
    assert (code, told["stopped"], told["verified"]) == (1, True, False)
    assert {one["what"] for one in told["residue"]} == {"campaigns", "Slack"}
    assert told["epoch"] == 1
    assert "app.instantly.ai" in next(
        one["remedy"] for one in told["residue"] if one["what"] == "campaigns"
    )


def _full_disk() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.processes
def test_where_nothing_more_can_be_written_this_machine_is_stopped(quiet_hive: Path) -> None:
    code, told = press(quiet_hive, preexec_fn=_full_disk)
    assert (code, told["stopped"]) == (1, True)
    assert "database" in {one["what"] for one in told["residue"]}
    with contextlib.closing(open_store(Hive.existing(quiet_hive))) as store:
        assert StopSwitch(Hive.existing(quiet_hive), store).state().stopped


@pytest.mark.processes
def test_unless_it_is_meant_it_explains_itself_and_does_nothing(quiet_hive: Path) -> None:
    done = run([sys.executable, str(SCRIPT), "--hive", str(quiet_hive)], quiet_hive.parent)
    assert done.returncode == 2
    assert "red button" in done.stderr
    assert not (quiet_hive / "STOP").exists()
    meant = run([*SWARM, "stop", "--hive", str(quiet_hive)], quiet_hive.parent)
    assert (meant.returncode, "red button" in meant.stderr) == (2, True)
    wrong = run(
        [sys.executable, str(SCRIPT), "--hive", str(quiet_hive / "typo")], quiet_hive.parent,
        STOP_SWARM="1",
    )  # fmt: skip
    assert (wrong.returncode, "nothing was stopped" in wrong.stderr) == (2, True)


def test_a_hundred_trials_strike_everybody_in_every_way() -> None:
    trials = [trial(seed) for seed in range(1, 101)]
    blows = Counter((blow.victim, blow.kill) for each in trials for blow in each.strikes)
    assert len(blows) == 8
    assert min(blows.values()) >= 10
    assert any(each.pressers > 1 for each in trials)
    assert sum(not each.strikes for each in trials) >= 3
