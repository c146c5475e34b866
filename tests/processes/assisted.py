"""How tests run Day 3: `swarm up` in the sandbox, visitors by webhook, people who click."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from servers.common.contract_sandbox import INSTANTLY_WEBHOOK_SECRET, RB2B_WEBHOOK_SECRET
from servers.sandbox.leads import Row, lead_rows
from tests.processes.live import TUESDAY, Sandbox, live_config, offset_to, query, twins
from tests.processes.swarm import SWARM, environment

ANA, BEN, NILS = "U0ANA01", "U0BEN02", "U0NIL06"
_ENOUGH_S = 90.0
_STATES = ("Illinois", "Texas")  # one window
_SENIOR = ("CEO", "Founder", "Chief", "VP")


def fitting(number: int) -> list[Row]:
    """Rows of people in one time zone who fit and whom no vendor knows."""
    found = []
    for row in lead_rows(1300, 11):
        staff = int(row["Number of Employees"] or 0)
        fits = row["State"] in _STATES and row["Industry"] and 51 <= staff <= 500
        named = "." in row["Email"].partition("@")[0]  # no role account
        if fits and named and any(word in row["Job Title"] for word in _SENIOR):
            found.append(row)
    return found[:number]


def visit(row: Row, number: int, at: str = "2026-11-24T16:00:00.00+00.00") -> dict[str, Any]:
    """What RB2B sends of a visitor, in its own words and with its own odd time stamp."""
    return {
        "LinkedIn URL": f"https://www.linkedin.com/in/visitor-{number}",
        "First Name": row["First Name"], "Last Name": row["Last Name"], "Title": row["Job Title"],
        "Company Name": row["Company"], "Business Email": row["Email"], "Website": row["Website"],
        "Industry": row["Industry"], "Employee Count": int(row["Number of Employees"]),
        "Estimate Revenue": None, "City": row["City"] or "Chicago", "State": row["State"],
        "Zipcode": "60601", "Seen At": at, "Referrer": None,
        "Captured URL": "https://www.chiefaiofficer.example/pricing", "Tags": "Hot Pages",
    }  # fmt: skip


@dataclass
class Up:
    """A running swarm: queen, gateway and the twins that stand for the vendors."""

    hive: Path
    config: Path
    sandbox: Sandbox
    gateway: str
    process: subprocess.Popen[str]
    offset_s: float
    patience_s: float = _ENOUGH_S

    def visits(self, payload: dict[str, Any]) -> int:
        """RB2B tells of a visitor: the status it got."""
        url = f"{self.gateway}/webhooks/rb2b/{RB2B_WEBHOOK_SECRET}"
        return httpx.post(url, json=payload, trust_env=False, timeout=15).status_code

    def instantly(self, **event: Any) -> int:
        """Instantly tells what became of an e-mail."""
        url = f"{self.gateway}/webhooks/instantly/{INSTANTLY_WEBHOOK_SECRET}"
        return httpx.post(url, json=event, trust_env=False, timeout=15).status_code

    def click(self, user: str, ts: str, action: str) -> dict[str, Any]:
        """Press a button on a card."""
        return self._act("click", user=user, ts=ts, action_id=action)

    def submit(self, user: str, **values: str) -> dict[str, Any]:
        """Send off the modal that is open for this person."""
        (view,) = [one for one in self.slack("views") if one["user"] == user]
        return self._act("submit", user=user, view_id=view["id"], values=values)

    def slack(self, what: str) -> Any:
        """What is to be seen in Slack: `channels`, `ephemeral` or `views`."""
        shown = httpx.get(f"{self._people}/shows", trust_env=False, timeout=10)
        return shown.raise_for_status().json()[what]

    def cards(self) -> list[dict[str, Any]]:
        """The channel's approval cards, the oldest first."""
        messages = [one for found in self.slack("channels").values() for one in found]
        return [one for one in messages if not one.get("thread_ts")]

    def query(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of the hive's database."""
        return query(self.hive, statement, *values)

    def until(self, what: str, holds: Callable[[], Any]) -> Any:
        """Wait until something is so, and give it."""
        deadline = time.monotonic() + self.patience_s
        while not (found := holds()):
            if time.monotonic() > deadline:
                log = (self.hive / "logs" / "queen.log").read_text()[-1500:]
                raise AssertionError(f"never came to {what}: {log}")
            time.sleep(0.05)
        return found

    def _act(self, act: str, **asked: Any) -> dict[str, Any]:
        answer = httpx.post(f"{self._people}/{act}", json=asked, trust_env=False, timeout=10)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    @property
    def _people(self) -> str:
        return f"http://127.0.0.1:{self.sandbox.port}/slack/_people"


@contextlib.contextmanager
def up(folder: Path, mode: str = "assisted", port: int = 0) -> Iterator[Up]:
    """`swarm up` on a Tuesday morning in Chicago, its twins, and Slack that knows the gateway."""
    config = live_config(folder)
    config.write_text(json.dumps(json.loads(config.read_text()) | {"mode": mode}))
    offset_s = offset_to(TUESDAY, 16, 30)
    hive = folder / "hive"
    with twins() as sandbox, (folder / "up.err").open("w") as err:
        command = [
            *SWARM, "up", "--sandbox", "--twins", str(sandbox.port), "--hive", str(hive),
            "--config", str(config), "--port", str(port), "--json",
        ]  # fmt: skip
        env = environment(SWARM_SANDBOX_OFFSET_S=repr(offset_s))
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=err, text=True
        )
        assert process.stdout is not None
        try:
            said = [json.loads(process.stdout.readline()) for _ in range(2)]
            (where,) = [one for one in said if "port" in one]
            gateway = f"http://{where['host']}:{where['port']}"
            sandbox.behave(slack_request_url=f"{gateway}/slack/interactions")
            yield Up(hive, config, sandbox, gateway, process, offset_s)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, (folder / "up.err").read_text()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
