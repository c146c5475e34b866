"""Every command in the README works. A command that nobody runs here fails the first test."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import test_campaign
from tests.processes.swarm import ROOT, SWARM, environment, run

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]
README = (ROOT / "README.md").read_text()
SCRIPT = "scripts/deploy_shadow_mode.py"
# What stands for each command's beginning, and who runs it.
RUN_HERE = {
    "make demo": "test_make_demo_runs_the_demo",
    "make test": "test_make_test_runs_all_gates_and_all_tests",
    "cp .env.example .env": "test_the_real_run_starts_with_keys",
    f"python {SCRIPT}": "test_the_real_run_starts_with_keys",
    "python scripts/run_failure_campaign.py": "test_the_campaign_holds",
    ".venv/bin/swarm run": "test_live_in_the_sandbox",
    ".venv/bin/swarm sends": "test_live_in_the_sandbox",
    ".venv/bin/swarm preflight": "test_day_three_from_preflight_to_the_red_button",
    ".venv/bin/swarm up": "test_day_three_from_preflight_to_the_red_button",
    ".venv/bin/swarm approvals": "test_day_three_from_preflight_to_the_red_button",
    ".venv/bin/swarm bank learned": "test_day_three_from_preflight_to_the_red_button",
    ".venv/bin/swarm bank precision": "test_day_three_from_preflight_to_the_red_button",
    ".venv/bin/swarm memory status": "test_day_three_from_preflight_to_the_red_button",
    ".venv/bin/swarm workers": "test_day_three_from_preflight_to_the_red_button",
    ".venv/bin/swarm status": "test_day_three_from_preflight_to_the_red_button",
    "python scripts/health_monitor.py": "test_day_three_from_preflight_to_the_red_button",
    "STOP_SWARM=1 python scripts/emergency_stop.py": (
        "test_day_three_from_preflight_to_the_red_button"
    ),
    ".venv/bin/swarm mcp": "test_an_ai_client_is_connected",
    ".venv/bin/swarm": "test_the_commands_after_the_demo",
    "python -P -m servers.": "test_every_server_answers_on_its_own",
}


def commands() -> list[str]:
    """Lines of the README's shell blocks, without comments."""
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", README, re.S | re.M)
    lines = [
        line.split("  #")[0].split(" #")[0].strip()
        for block in blocks
        for line in block.splitlines()
    ]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hive of `make demo`'s own command line."""
    hive = tmp_path_factory.mktemp("readme") / "hive"
    done = run([sys.executable, *demo_arguments(), "--hive", str(hive)], ROOT)
    assert done.returncode == 0, done.stderr
    return hive


def demo_arguments() -> list[str]:
    """What `make demo` runs, without interpreter and hive."""
    told = subprocess.run(
        ["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    line = next(line for line in told.splitlines() if SCRIPT in line)
    words = shlex.split(line)
    return words[1 : words.index("--hive")]


def test_every_command_of_the_readme_is_run_here() -> None:
    assert len(commands()) >= 7
    here = Path(__file__).read_text()
    for command in commands():
        runner = next((RUN_HERE[start] for start in RUN_HERE if command.startswith(start)), None)
        assert runner is not None, command
        assert f"def {runner}" in here


def test_make_demo_runs_the_demo(demo: Path) -> None:
    assert "--sandbox" in demo_arguments()
    assert len(json.loads((demo / "shadow_logs" / "emails.json").read_text())) >= 3


def test_make_test_runs_all_gates_and_all_tests() -> None:
    told = subprocess.run(
        ["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for gate in ("ruff format --check", "ruff check", "mypy", "lint-imports", "pytest"):
        assert gate in told
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("make test")


def test_the_commands_after_the_demo(demo: Path) -> None:
    asked = [shlex.split(line)[1:] for line in commands() if line.startswith(".venv/bin/swarm")]
    asked = [words for words in asked if "--hive" not in words and words[0] != "mcp"]
    assert {words[0] for words in asked} == {
        "explain", "replay", "audit", "bank", "brakes", "spend", "failures", "fixes", "quarantine",
    }  # fmt: skip
    for words in asked:
        done = run([*SWARM, *words], ROOT, HIVE_MIND_DIR=str(demo))
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


def test_the_campaign_holds() -> None:
    """The README's hour itself; tests/processes/test_campaign.py runs it shortened."""
    line = next(line for line in commands() if "run_failure_campaign" in line)
    assert line == test_campaign.README_COMMAND


def test_live_in_the_sandbox(tmp_path: Path) -> None:
    document = json.loads((ROOT / "config" / "production.json").read_text())
    (tmp_path / "live.json").write_text(json.dumps(document | {"mode": "live"}))
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data" / "initial_batch.csv", tmp_path / "data")
    lines = [line for line in commands() if re.match(r"\.venv/bin/swarm (run|sends)", line)]
    assert len(lines) == 2
    for line in lines:
        done = run([*SWARM, *shlex.split(line)[1:], "--json"], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)


@pytest.fixture(scope="module")
def twins() -> Iterator[dict[str, str]]:
    """Running twins: what a person's real keys and the vendors' addresses would be."""
    process = subprocess.Popen(
        [*SWARM, "sandbox"], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["env"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory, twins: dict[str, str]) -> Path:
    """A directory with `.env` filled in and a leads file: where the real commands are given."""
    folder = tmp_path_factory.mktemp("production")
    example = (ROOT / ".env.example").read_text()
    given = twins | {
        "SENDER_NAME": "Kim Sender",
        "SENDER_EMAIL": "kim@chiefaiofficer.example",
        "SENDER_COMPANY": "Sample Partners",
        "SENDER_POSTAL_ADDRESS": "1 Sample Street, Springfield",
        "SLACK_SIGNING_SECRET": "a-secret-of-our-own-0123456789",
        "RB2B_WEBHOOK_SECRET": "a-secret-of-our-own-9876543210",
    }
    for name, value in given.items():
        example = re.sub(rf"^(# )?{name}=$", f"{name}='{value}'", example, flags=re.M)
    (folder / ".env").write_text(example)
    (folder / "data").mkdir()
    batch = (ROOT / "data" / "initial_batch.csv").read_text()
    profile = "https://www.linkedin.com/in/dana-whitlock-brightforge"
    only_a_profile = f"Dana,Whitlock,,Founder,Brightforge Studio,,US,IL,Chicago,,,{profile},lead"
    (folder / "data" / "initial_batch.csv").write_text(f"{batch}{only_a_profile}\n")
    return folder


def given(line: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A line of the README, given in `folder`."""
    words = shlex.split(line)
    env = dict(word.split("=", 1) for word in words if re.fullmatch(r"[A-Z_]+=\S+", word))
    words = [word for word in words if word not in {f"{k}={v}" for k, v in env.items()}]
    if words[0] == "python":
        return run([sys.executable, str(ROOT / words[1]), *words[2:], *more], folder, **env)
    return run([*SWARM, *words[1:], *more], folder, **env)


def test_the_real_run_starts_with_keys(production: Path, twins: dict[str, str]) -> None:
    """Not the sandbox: keys from `.env`, no `sandbox` mark, reserved domains refused."""
    done = given(next(line for line in commands() if SCRIPT in line), production, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["sandbox"], report["mode"], report["vendor_writes"]) == (False, "shadow", 0)
    states = [item["state"] for item in report["items"]]
    codes = {reason["code"] for reason in report["items"][10]["reasons"]}
    assert states[:10] == ["invalid"] * 10  # nobody has a mailbox on a reserved domain
    # Without an address the vendors were asked, and what they know is refused as well.
    assert states[10] == "disqualified"
    assert "reserved_domain" in codes
    assert (production / ".hive-production" / "audit").is_dir()
    for secret in (twins["GHL_PROD_API_KEY"], twins["CLAY_API_KEY"]):
        for file in (production / ".hive-production").rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes()


def test_day_three_from_preflight_to_the_red_button(production: Path) -> None:
    """Each as it stands in the README; `up` on a free port, the monitor for one look."""
    lines = {name: next(line for line in commands() if name in line) for name in (
        "preflight", "swarm up", "health_monitor", "emergency_stop",
    )}  # fmt: skip
    looked = given(lines["preflight"], production, "--json")
    assert looked.returncode == 1  # nothing of what a mode above shadow needs was seen here
    assert json.loads(looked.stdout)
    process = subprocess.Popen(
        [*SWARM, *shlex.split(lines["swarm up"])[1:], "--port", "0", "--json"],
        cwd=production, env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert sorted("doors" in one for one in said) == [False, True]
        watched = given(lines["health_monitor"], production, "--once", "--json")
        assert watched.returncode == 0, watched.stdout + watched.stderr
        for name in (
            "approvals list", "bank learned", "bank precision", "swarm status", "memory status",
            "swarm workers",
        ):  # fmt: skip
            done = given(next(line for line in commands() if name in line), production)
            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stdout.strip()
        pressed = given(lines["emergency_stop"], production, "--json")
        # Stopped; a campaign of the team's own runs on, since shadow writes nothing: that is said.
        assert pressed.returncode == 1, pressed.stdout + pressed.stderr
        (told,) = json.loads(pressed.stdout)["hives"]
        assert (told["stopped"], [one["what"] for one in told["residue"]]) == (True, ["campaigns"])
        assert (production / ".hive-production" / "STOP").exists()
    finally:
        process.terminate()
        assert process.wait(60) == 0
        process.stdout.close()


def test_an_ai_client_is_connected(production: Path) -> None:
    """The file as it is installed, a server started from it; then HTTP with the token."""
    lines = [line for line in commands() if line.startswith(".venv/bin/swarm mcp")]
    files, token, http, remote = lines
    assert given(files, production).returncode == 0
    servers = json.loads((production / ".mcp.json").read_text())["mcpServers"]
    assert sorted(servers) == [f"swarm-{name}" for name in (
        "crafter", "enricher", "ghl", "guardrails", "hunter", "instantly", "orchestrator",
    )]  # fmt: skip
    words = [*SWARM, *servers["swarm-orchestrator"]["args"]]
    process = subprocess.Popen(
        words, cwd="/", env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    said, _ = process.communicate('{"jsonrpc":"2.0","id":1,"method":"ping"}\n', timeout=60)
    assert (process.returncode, json.loads(said)) == (0, {"jsonrpc": "2.0", "id": 1, "result": {}})
    made = given(token, production)
    assert made.returncode == 0, made.stderr
    process = subprocess.Popen(
        [*SWARM, *shlex.split(http)[1:], "--port", "0"], cwd=production, env=environment(),
        text=True, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        url = process.stderr.readline().split()[-1]
        headers = {
            "authorization": f"Bearer {made.stdout.strip()}", "mcp-protocol-version": "2025-11-25",
            "accept": "application/json, text/event-stream",
        }  # fmt: skip
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        answer = httpx.post(url, headers=headers, json=asked, trust_env=False, timeout=60)
        assert "get_status" in answer.text
        assert httpx.post(url, json=asked, trust_env=False, timeout=60).status_code == 401
    finally:
        process.terminate()
        assert process.wait(60) == 0
        process.stderr.close()
    assert given(remote, production).returncode == 0
    entry = json.loads((production / ".vscode" / "mcp.json").read_text())["servers"]
    assert entry["swarm-orchestrator"]["url"] == "http://127.0.0.1:8101/mcp"
    assert "${input:" in entry["swarm-orchestrator"]["headers"]["Authorization"]


@pytest.mark.parametrize(
    "server", ["hunter", "enricher", "crafter", "guardrails", "ghl", "instantly"]
)
def test_every_server_answers_on_its_own(
    server: str, tmp_path: Path, twins: dict[str, str]
) -> None:
    """`python -P -m servers.<name>`, spoken to as any MCP client does."""
    assert "python -P -m servers.hunter" in README
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }  # fmt: skip
    lines = [hello, {"jsonrpc": "2.0", "method": "notifications/initialized"},
             {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", f"servers.{server}"], cwd=tmp_path, text=True,
        env=environment(HIVE_MIND_DIR=str(tmp_path / "hive"), SWARM_SANDBOX="1", **twins),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    for line in lines:
        process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        if "id" in line:
            answer = json.loads(process.stdout.readline())
            assert "result" in answer, answer
    for tool in answer["result"]["tools"]:
        assert tool["description"]
        assert tool["annotations"]["readOnlyHint"] in {True, False}
        for name, described in tool["inputSchema"].get("properties", {}).items():
            assert described.get("description"), f"{tool['name']}.{name}"
    out, errors = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, ""), errors
