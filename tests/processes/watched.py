"""How tests watch with the real health monitor: a quick configuration, a Slack that writes down."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from guardrails.config import config_path
from tests.processes.swarm import ROOT, environment

SCRIPT = ROOT / "scripts" / "health_monitor.py"
QUICK = {
    "beat_interval_s": 1, "silent_after_s": 4, "restart_shown_s": 8, "recover_rounds": 2,
}  # fmt: skip


def quick_config(folder: Path, interval_s: float, **changes: Any) -> Path:
    """production.json with a monitor that notices sooner."""
    document = json.loads(config_path("production.json").read_text())
    document["monitor"] |= QUICK | {"interval_s": interval_s} | changes
    document["gateway"]["port"] = 0
    path = folder / "quick.json"
    path.write_text(json.dumps(document))
    return path


@dataclass
class Ears:
    """An incoming webhook and a dead man's switch that write down what they get.

    Args:
        deaf: the webhook refuses everything, and counts it.
    """

    port: int = 0
    deaf: bool = False
    refused: int = 0
    slack: list[str] = field(default_factory=list)
    switch: list[float] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """For the monitor."""
        return {
            "SLACK_WEBHOOK_URL": f"http://127.0.0.1:{self.port}/hook",
            "HEARTBEAT_URL": f"http://127.0.0.1:{self.port}/ping",
        }


@contextmanager
def ears() -> Iterator[Ears]:
    """Listening."""
    heard = Ears()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if heard.deaf:
                heard.refused += 1
                self.send_error(503)
                return
            heard.slack.append(json.loads(body)["text"])
            self._ok()

        def do_GET(self) -> None:
            heard.switch.append(time.monotonic())
            self._ok()

        def _ok(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_args: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def watching(hive: Path, config: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """The monitor, as a service would run it."""
    command = [sys.executable, str(SCRIPT), "--hive", str(hive), "--config", str(config)]
    process = subprocess.Popen(
        command, cwd=hive.parent, env=environment(**env), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def alerts(hive: Path) -> list[dict[str, Any]]:
    """What the local file says."""
    file = hive / "alerts.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait, bounded, for another process."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found
