"""The host process: one ready line, answers at once, and never outlives who started it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.processes
COMMAND = [sys.executable, "-P", "-m", "servers.sandbox"]
PATIENCE_S = 30


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return json.loads(answer.read())


def test_it_prints_one_line_answers_and_ends_when_stdin_closes():
    with start("--watch-stdin", "--seed", "9") as process:
        ready = json.loads(process.stdout.readline())
        names = {
            "GHL_BASE_URL", "INSTANTLY_BASE_URL", "CLAY_BASE_URL", "RB2B_BASE_URL",
            "GDELT_BASE_URL", "GOOGLE_NEWS_BASE_URL", "GHL_PROD_API_KEY", "GHL_LOCATION_ID",
            "INSTANTLY_API_KEY", "CLAY_API_KEY", "CLAY_ROUTINE_ID", "RB2B_API_KEY",
            "SLACK_BASE_URL", "SLACK_WEBHOOK_URL", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET",
            "SLACK_APP_ID", "SLACK_TEAM_ID", "SLACK_CHANNEL_ID", "SLACK_APPROVER_IDS",
            "SUPABASE_URL", "SUPABASE_KEY",
        }  # fmt: skip
        assert set(ready["env"]) == names
        health = get(f"http://127.0.0.1:{ready['port']}/_twin/health")
        assert (health["status"], health["seed"]) == ("ok", 9)
        rest, errors = process.communicate(timeout=PATIENCE_S)  # closes stdin
        assert (rest, errors, process.returncode) == ("", "", 0)


def test_without_the_watch_it_stays_until_terminated():
    with start() as process:
        port = json.loads(process.stdout.readline())["port"]
        process.stdin.close()
        assert get(f"http://127.0.0.1:{port}/_twin/health")["status"] == "ok"
        process.terminate()
        process.wait(PATIENCE_S)


def test_a_taken_port_is_said_in_one_sentence():
    with start("--watch-stdin") as first:
        port = json.loads(first.stdout.readline())["port"]
        second = subprocess.run(
            [*COMMAND, "--port", str(port)],
            capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert second.returncode == 2
        assert str(port) in second.stderr
        assert "Traceback" not in second.stderr
        first.communicate(timeout=PATIENCE_S)


def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path):
    parent_code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-P', '-m', 'servers.sandbox', "
        "'--watch-stdin'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", parent_code], stdout=subprocess.PIPE, text=True
    )
    with parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        gone, alive = psutil.wait_procs([child], timeout=PATIENCE_S)
        assert child in gone
        assert not alive


def test_it_starts_with_the_switches_it_is_given():
    switches = '{"outage": {"ghl": 503}, "latency_ms": 1, "rate_limits": ["clay"]}'
    with start("--watch-stdin", "--behaviour", switches, "--latency-ms", "2") as process:
        port = json.loads(process.stdout.readline())["port"]
        behaviour = get(f"http://127.0.0.1:{port}/_twin/health")["behaviour"]
        assert behaviour["outage"] == {"ghl": 503}
        assert behaviour["rate_limits"] == ["clay"]
        assert behaviour["latency_ms"] == 2  # the option of its own wins
        process.communicate(timeout=PATIENCE_S)


def test_switches_that_make_no_sense_are_said_in_one_sentence():
    asked = [*COMMAND, "--behaviour", '{"auth": {"gdelt": "revoked"}}']
    refused = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert refused.returncode == 2
    assert "gdelt cannot say revoked of a key: it has no keys" in refused.stderr
    assert "Traceback" not in refused.stderr
