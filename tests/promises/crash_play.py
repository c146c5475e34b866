"""One case of the crash matrix: reaching its point from outside, striking, going on, judging.

Processes are stopped and woken, the twins answer late, and the swarm's own failure injection loses
or delays one request: nothing in the swarm knows that it is being tested.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from guardrails.hive import Hive
from guardrails.identity import dedupe_key, lead_id
from tests.processes.live import Sandbox, live_command, live_config, query, run_live
from tests.processes.swarm import environment
from tests.promises.crash_cases import CHANNELS, Case, Point, Verdict, Victim
from tests.promises.crash_servers import Servers

READ_S = 4  # how long a lost request is waited for
LATENCY_MS = 350.0
ENOUGH_S = 60.0
RESUMES = 3
_SEND = {"instantly": "instantly.create_lead", "ghl": "ghl.send_email"}
_AT_POINT = {
    Point.DISPATCHING: "timeout_before",
    Point.ACTED: "timeout_after",
    Point.SENT: "slow",
}


class Play:
    """One case under way."""

    def __init__(
        self, sandbox: Sandbox, offset_s: float, case: Case, folder: Path, email: str
    ) -> None:
        self._sandbox = sandbox
        self._offset_s = offset_s
        self._case = case
        self._folder = folder
        self._email = email
        self._hive = folder / "hive"
        self._lead = lead_id(Hive(self._hive, sandbox=True).salt(), dedupe_key(email))
        self._verdict = Verdict(case)
        self._code = 0
        self._config = folder / "faulty.json"

    def begin(self) -> None:
        """Run up to the point and strike, or to the end with the fault."""
        sandbox = self._sandbox
        slow = {} if self._case.fault else {"ghl": LATENCY_MS, "instantly": LATENCY_MS}
        acted = {self._case.channel: 1} if self._case.fault == "acted_then_502" else {}
        sandbox.behave(vendor_latency_ms=slow)
        # The same to the end: under another configuration a decision would have to be made anew.
        config = self._config = self._configured()
        if acted:
            # The campaign is there: the next write at this vendor is the e-mail.
            sandbox.behave(act_and_fail=acted)
        command = live_command(self._hive, self._folder / "leads.csv", config, sandbox)
        env = environment(SWARM_SANDBOX_OFFSET_S=repr(self._offset_s))
        with (self._folder / "queen.out").open("w") as out:
            queen = subprocess.Popen(command, cwd=self._folder, env=env, stdout=out, stderr=out)
        try:
            if self._case.point is not None:
                self._strike(queen)
            self._code = queen.wait(ENOUGH_S * 2)
        finally:
            queen.kill()
            queen.wait()
            sandbox.behave(vendor_latency_ms={}, act_and_fail={})

    def finish(self) -> None:
        """The same command, until nothing is open or only a person could tell."""
        offset = self._offset_s
        for _ in range(RESUMES):
            if not self._open():
                return
            was_unknown = self._unknown()
            offset += 400
            self._verdict.resumes += 1
            self._code, _ = run_live(
                self._hive, self._folder / "leads.csv", self._config, self._sandbox, offset
            )
            if was_unknown and self._unknown():
                return  # the vendor was asked and could not tell: it is a person's

    def _unknown(self) -> bool:
        return any(row["state"] == "unknown" for row in self._deliveries())

    def judged(self) -> Verdict:
        """The promise, looked at from every side."""
        verdict = self._verdict
        mails = [one for one in self._sandbox.outbox() if one["to"] == self._email]
        verdict.emails = len(mails)
        (delivery,) = self._deliveries()
        verdict.state = delivery["state"]
        rows = query(self._hive, "SELECT * FROM writes WHERE key LIKE 'send:%'")
        verdict.ledger = rows[0]["status"] if rows else "(none)"
        wrong = verdict.wrong.append
        if len(mails) > 1:
            wrong(f"{len(mails)} e-mails")
        if (verdict.state == "sent") != (len(mails) == 1) and verdict.state != "unknown":
            wrong(f"{verdict.state}, and {len(mails)} e-mails")
        if verdict.state not in {"sent", "unknown", "failed"}:
            wrong(f"left {verdict.state}")
        if verdict.state == "unknown" and self._code != 1:
            wrong("an unknown fate, and the run says that all is well")
        held = [row for row in rows if row["status"] in _HELD]
        if len(held) < len(mails):
            wrong("the budget under-counts")
        self._judge_followups(wrong)
        return verdict

    def _judge_followups(self, wrong: Callable[[str], None]) -> None:
        for table, action in (("notes", "add_note"), ("opportunities", "create_opportunity")):
            rows = query(self._hive, "SELECT * FROM writes WHERE action = ?", action)
            done = sum(row["status"] == "sent" for row in rows)
            if len(rows) > 1 or (self._verdict.state == "sent" and done != 1):
                wrong(f"{table}: {[row['status'] for row in rows]}")

    def _open(self) -> bool:
        found = self._deliveries()
        waiting = {"queued", "deferred", "unknown"}
        return not found or any(row["state"] in waiting or row["not_before"] for row in found)

    def _configured(self) -> Path:
        case, targets = self._case, []
        fault = case.fault or (_AT_POINT.get(case.point) if case.point else None)
        if fault and fault != "acted_then_502":
            targets = [(_SEND[case.channel], fault)]
        if case.point is Point.NOTE_ACTED:
            targets = [("ghl.add_note", "timeout_after")]
        document = json.loads(live_config(self._folder).read_text())
        document["failure_injection"] |= {
            "enabled": bool(targets), "rate": 0.0, "seed": 1,
            "targets": [
                {"lead_id": self._lead, "site": site, "fault": fault} for site, fault in targets
            ],
        }  # fmt: skip
        for vendor in CHANNELS:
            document["vendors"][vendor]["timeouts"]["read"] = READ_S
        file = self._folder / "faulty.json"
        file.write_text(json.dumps(document))
        return file

    def _strike(self, queen: subprocess.Popen[bytes]) -> None:
        """Reach the point, hold everybody there, and kill."""
        servers = Servers(queen.pid)
        self._reach(queen, servers)
        match self._case.victim:
            case Victim.QUEEN:
                queen.send_signal(signal.SIGKILL)
                queen.wait()
            case Victim.GUARDRAILS:
                servers.of("guardrails").kill()
            case _:
                servers.of(self._sender()).kill()
        servers.wake()
        if queen.poll() is None:
            queen.send_signal(signal.SIGCONT)

    def _sender(self) -> str:
        late = self._case.point in {Point.CRM_OPEN, Point.NOTE_ACTED}
        return "ghl" if late else self._case.channel

    def _reach(self, queen: subprocess.Popen[bytes], servers: Servers) -> None:
        point = self._case.point
        if point in {Point.QUEUED, Point.CLAIMED}:
            self._until("the decision", lambda: bool(self._deliveries()))
            servers.of("guardrails").suspend()
            self._settle()  # the look-ups end; then the queen waits for guardrails
            if point is Point.CLAIMED:
                servers.of(self._case.channel).suspend()
                servers.of("guardrails").resume()
                self._until("the claim", lambda: self._status() == "claimed" and self._bound())
            return
        if point is Point.DISPATCHING:
            self._until("dispatching", lambda: self._status() == "dispatching")
        elif point is Point.ACTED:
            self._until("the e-mail", lambda: self._status() == "dispatching" and self._mailed())
        elif point is Point.SENT:
            self._until("dispatching", lambda: self._status() == "dispatching")
            queen.send_signal(signal.SIGSTOP)
            self._until("sent", lambda: self._status() == "sent")
        elif point is Point.CRM_OPEN:
            self._until("sent", lambda: self._status() == "sent")
        else:
            self._until("the note", lambda: self._status("note:") == "dispatching")
            self._settle()  # it has arrived by then, and its answer is lost

    def _settle(self) -> None:
        """Wait until the twins have been asked nothing for several answers' time."""
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < 4 * LATENCY_MS / 1000:
            total = self._sandbox.get("counts")["total"]
            if total != seen:
                seen, since = total, time.monotonic()
            time.sleep(0.05)

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + ENOUGH_S
        while not holds():
            if time.monotonic() > deadline:
                told = (self._folder / "queen.out").read_text()[-500:]
                raise AssertionError(f"{self._case.name}: never came to {what}: {told}")
            time.sleep(0.003)

    def _deliveries(self) -> list[dict[str, Any]]:
        return query(self._hive, "SELECT * FROM deliveries")

    def _row(self, prefix: str) -> dict[str, Any]:
        found = query(self._hive, "SELECT * FROM writes WHERE key LIKE ?", f"{prefix}%")
        return found[0] if found else {"status": "", "permit_id": None}

    def _status(self, prefix: str = "send:") -> str:
        return str(self._row(prefix)["status"])

    def _bound(self) -> bool:
        return self._row("send:")["permit_id"] is not None

    def _mailed(self) -> bool:
        return any(one["to"] == self._email for one in self._sandbox.outbox())


_HELD = {"claimed", "dispatching", "sent", "unknown"}
