"""`swarm mcp`: one server for an AI client, as a process of its own; and two behind anything."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.processes.swarm import ROOT, SWARM, environment, run

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]
OLD, NEW = "2025-11-25", "2026-07-28"
KEY = "io.modelcontextprotocol"


@dataclass(frozen=True)
class Replicas:
    """Two processes over one hive."""

    folder: Path
    processes: Sequence[subprocess.Popen[str]]
    urls: Sequence[str]
    token: str


def started(folder: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*SWARM, "mcp", *arguments], cwd=folder, env=environment(**env), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr of one whose end was asked for."""
    try:
        _, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, errors


def told_url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"http://\S+", line)
    assert found, line + process.stderr.read()
    return found.group()


def token(folder: Path, name: str, scope: str) -> str:
    made = run([*SWARM, "mcp", "token", "create", "--name", name, "--scope", scope], folder)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    shutil.copytree(ROOT / "data", folder / "data")
    processes = [started(folder, "hunter", "--sandbox", "--http")]
    urls = [told_url(processes[0])]  # the hive is there now
    processes.append(started(folder, "hunter", "--sandbox", "--http"))
    try:
        reader = token(folder, "desk", "read")
        urls.append(told_url(processes[1]))
        yield Replicas(folder, processes, urls, reader)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


def answered(url: str, held: str, era: str, method: str, **params: Any) -> dict[str, Any]:
    """What a client of that era gets, as either answers: JSON or events."""
    headers = {
        "authorization": f"Bearer {held}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": era,
    }
    if era == NEW:
        params["_meta"] = {f"{KEY}/protocolVersion": NEW, f"{KEY}/clientCapabilities": {}}
        headers |= {"mcp-method": method} | (
            {"mcp-name": params["name"]} if "name" in params else {}
        )
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = httpx.post(url, headers=headers, json=body, timeout=20, trust_env=False)
    assert answer.status_code == 200, answer.text
    text = answer.text
    if answer.headers["content-type"].startswith("text/event-stream"):
        text = next(line[6:] for line in text.splitlines() if line.startswith("data: {"))
    found: dict[str, Any] = json.loads(text)
    return dict(found["result"])


@pytest.mark.parametrize("era", [OLD, NEW])
def test_requests_may_go_to_either(replicas: Replicas, era: str) -> None:
    """The handshake at one, the tools at the other, and each page where the last one was not."""
    first, second = replicas.urls
    if era == OLD:
        client = {"name": "test", "version": "1"}
        hello = answered(first, replicas.token, era, "initialize", protocolVersion=OLD,
                         capabilities={}, clientInfo=client)  # fmt: skip
        assert hello["serverInfo"]["name"] == "hunter"
    tools = answered(second, replicas.token, era, "tools/list")["tools"]
    assert [tool["name"] for tool in tools] == ["import_leads", "read_visitor"]
    rows, cursor, turn = [], None, 0
    while turn == 0 or cursor:
        page = answered(
            replicas.urls[turn % 2], replicas.token, era, "tools/call", name="import_leads",
            arguments={"path": str(replicas.folder / "data" / "initial_batch.csv"), "limit": 3}
            | ({"cursor": cursor} if cursor else {}),
        )["structuredContent"]  # fmt: skip
        rows += [one["row"] for one in (*page["leads"], *page["rejected"])]
        cursor, turn = page["next_cursor"], turn + 1
    assert (sorted(rows), turn) == (list(range(1, 11)), 4)


def test_a_revoked_token_is_out_of_both_at_once(replicas: Replicas) -> None:
    gone = token(replicas.folder, "laptop", "operate")
    for url in replicas.urls:
        assert answered(url, gone, NEW, "tools/list")["tools"]
    done = run([*SWARM, "mcp", "token", "revoke", "laptop", "--json"], replicas.folder)
    assert done.returncode == 0, done.stderr
    for url in replicas.urls:
        answer = httpx.post(url, headers={"authorization": f"Bearer {gone}"}, trust_env=False)
        assert answer.status_code == 401
    listed = run([*SWARM, "mcp", "token", "list", "--json"], replicas.folder)
    assert [one["name"] for one in json.loads(listed.stdout)["tokens"]] == ["desk"]
    chain = "".join(
        file.read_text() for file in (replicas.folder / ".hive-mind" / "audit").iterdir()
    )
    assert chain.count('"what":"created"') == 2
    assert chain.count('"what":"revoked"') == 1
    assert gone not in chain


def test_beyond_loopback_it_listens_on_purpose_and_ends_in_order(replicas: Replicas) -> None:
    process = started(
        replicas.folder, "crafter", "--sandbox", "--http", "--host", "0.0.0.0",
        "--allow-host", "mcp.example",
    )  # fmt: skip
    url = told_url(process).replace("0.0.0.0", "127.0.0.1")
    asked = {"authorization": f"Bearer {replicas.token}", "host": "mcp.example"}
    assert httpx.post(url, headers=asked, trust_env=False).status_code == 400  # inside, and empty
    assert httpx.post(url, headers=asked | {"host": "evil.example"}).status_code == 421
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0


def test_it_has_its_own_variables_and_no_others(tmp_path: Path) -> None:
    names = ("GHL_PROD_API_KEY", "GHL_LOCATION_ID", "INSTANTLY_API_KEY", "CLAY_API_KEY",
             "SUPABASE_KEY", "SLACK_BOT_TOKEN", "RB2B_API_KEY")  # fmt: skip
    (tmp_path / ".env").write_text("".join(f"{name}=from-the-file-{name}\n" for name in names))
    process = started(tmp_path, "ghl", CLAY_API_KEY="from-outside", SECRET_OF_THE_SHELL="x")
    assert process.stdin is not None
    assert process.stdout is not None
    hello = {
        "protocolVersion": OLD,
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    process.stdin.write(
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n"
    )
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "ghl"
    held = Path(f"/proc/{process.pid}/environ").read_text().split("\0")
    arguments = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
    assert ended(process)[0] == 0
    assert arguments[1:4] == ["-P", "-m", "servers.ghl"]  # this very process became it
    assert "GHL_PROD_API_KEY=from-the-file-GHL_PROD_API_KEY" in held
    assert "GHL_LOCATION_ID=from-the-file-GHL_LOCATION_ID" in held
    others = [one for one in held if "from-" in one and not one.startswith("GHL_")]
    assert others == []
    assert not any("SECRET_OF_THE_SHELL" in one or "SWARM_CHILD" in one for one in held)


def test_without_its_key_it_says_which(tmp_path: Path) -> None:
    process = started(tmp_path, "ghl")
    code, errors = ended(process)
    assert code == 2
    assert "GHL_PROD_API_KEY" in errors


def test_its_twins_end_with_it(tmp_path: Path) -> None:
    process = started(tmp_path, "instantly", "--sandbox", "--project", str(tmp_path))
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1
    twins = psutil.Process(process.pid).children()
    assert len(twins) == 1
    os.kill(process.pid, signal.SIGKILL)  # the hardest way
    ended(process)
    _, left = psutil.wait_procs(twins, timeout=20)
    assert left == []


def test_a_client_starts_it_from_the_file_that_was_installed(tmp_path: Path) -> None:
    """As a client does: the command and arguments that stand there, in a folder of its own."""
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project, elsewhere):
        folder.mkdir()
    done = run(
        [*SWARM, "mcp", "config", "claude-code", "--sandbox", "--server", "crafter",
         "--project", str(project), "--in", str(elsewhere), "--install", "--json"],
        tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["added"] == ["swarm-crafter"]
    entry = json.loads((elsewhere / ".mcp.json").read_text())["mcpServers"]["swarm-crafter"]
    assert Path(entry["command"]).name == "swarm"
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.cli", *entry["args"]], cwd=elsewhere, text=True,
        env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert ended(process)[0] == 0
    assert (project / ".hive-mind" / "hive.json").exists()
    assert [one.name for one in elsewhere.iterdir()] == [".mcp.json"]
