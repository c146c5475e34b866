"""One trial of the red button: the load, the blows, the press from outside, and what the twins say.

Nothing in the swarm knows that it is being tested. Who was hung is woken after the command has
returned: a process that would then still send is what the trial looks for.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from tests.processes.live import Sandbox, live_command, query, run_live
from tests.processes.swarm import ROOT, environment
from tests.promises.crash_servers import Servers
from tests.promises.stop_cases import Strike, Trial, Verdict

SCRIPT = ROOT / "scripts" / "emergency_stop.py"
_ENOUGH_S = 90.0
_AFTER_S = 1.5  # a woken process has long found out by then
_SENDING = ("ghl", "instantly")


class Play:
    """One trial under way."""

    def __init__(
        self, sandbox: Sandbox, offset_s: float, trial: Trial, folder: Path, concurrency: int
    ) -> None:
        self._concurrency = str(concurrency)
        self._sandbox = sandbox
        self._offset_s = offset_s
        self._trial = trial
        self._folder = folder
        self.hive = folder / "hive"
        self._env = environment(SWARM_SANDBOX_OFFSET_S=repr(offset_s))
        self._verdict = Verdict(trial)
        self._all: list[psutil.Process] = []
        self._hung: list[psutil.Process] = []

    def played(self) -> Verdict:
        """From the start of the queen to the twins' word."""
        command = live_command(
            self.hive, self._folder / "leads.csv", self._folder / "production.json",
            self._sandbox, "--concurrency", self._concurrency,
        )  # fmt: skip
        with (self._folder / "queen.out").open("w") as out:
            queen = subprocess.Popen(
                command, cwd=self._folder, env=self._env, stdout=out, stderr=out
            )
        try:
            self._load(queen)
            pressed, returned = self._struck_and_pressed(psutil.Process(queen.pid))
            time.sleep(_AFTER_S)
            self._judge(pressed, returned)
        finally:
            self._end(queen)
        self._refused()
        return self._verdict

    def _load(self, queen: subprocess.Popen[bytes]) -> None:
        """Until enough has gone out; then the vendors get slow, so that dozens are on their way."""
        trial, deadline = self._trial, time.monotonic() + _ENOUGH_S
        while len(self._sandbox.outbox()) < trial.sent_before:
            told = (self._folder / "queen.out").read_text()[-500:]
            assert queen.poll() is None, f"the queen ended: {told}"
            assert time.monotonic() < deadline, f"nothing goes out: {told}"
            time.sleep(0.03)
        self._all = psutil.Process(queen.pid).children(recursive=True)
        self._sandbox.behave(vendor_latency_ms=trial.latency_ms)
        time.sleep(trial.wait_s)

    def _struck_and_pressed(self, queen: psutil.Process) -> tuple[float, float]:
        """When it was pressed and when the last presser's command returned; all are awake again."""
        first = min([0.0, *(strike.at_s for strike in self._trial.strikes)])
        press_at = time.time() - first + 0.05
        blows = threading.Thread(target=self._strike, args=(queen, press_at))
        blows.start()
        time.sleep(max(0.0, press_at - time.time()))
        self._verdict.in_flight = len(query(self.hive, _DISPATCHING))
        command = [
            sys.executable, str(SCRIPT), "--json", "--hive", str(self.hive), "--reason", "trial",
            "--twins", str(self._sandbox.port), "--wait", "8",
            "--config", str(self._folder / "production.json"),
        ]  # fmt: skip
        pressed = time.time()
        pressers = [
            subprocess.Popen(
                command, cwd=self._folder, env=self._env | {"STOP_SWARM": "1"},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for _ in range(self._trial.pressers)
        ]  # fmt: skip
        said = [presser.communicate(timeout=_ENOUGH_S) for presser in pressers]
        returned = time.time()
        blows.join()
        for process in self._hung:
            with contextlib.suppress(psutil.Error):
                process.resume()
        self._hear(
            pressed, returned, [out for out, _ in said], [each.returncode for each in pressers]
        )
        return pressed, returned

    def _strike(self, queen: psutil.Process, press_at: float) -> None:
        for strike in self._trial.strikes:
            time.sleep(max(0.0, press_at + strike.at_s - time.time()))
            with contextlib.suppress(AssertionError, psutil.Error):  # dead already
                self._blow(queen, strike)

    def _blow(self, queen: psutil.Process, strike: Strike) -> None:
        to_queen = strike.victim == "queen"
        process = queen if to_queen else Servers(queen.pid).of(strike.victim).process
        if strike.kill:
            process.kill()
        else:
            process.suspend()
            self._hung.append(process)

    def _hear(self, pressed: float, returned: float, said: list[str], codes: list[int]) -> None:
        """What the pressers were told, and whether that agrees."""
        verdict, wrong = self._verdict, self._verdict.wrong.append
        documents = [json.loads(text)["hives"][0] for text in said]
        document = documents[0]
        steps = {step["step"]: step["at_s"] for step in reversed(document["steps"])}
        verdict.file_s = (self.hive / "STOP").stat().st_mtime - pressed
        verdict.returned_s = returned - pressed
        verdict.row_s = steps["database"] if document.get("row") else None
        verdict.codes = tuple(codes)
        verdict.residue = tuple(
            sorted({one["what"] for each in documents for one in each["residue"]})
        )
        for code, each in zip(codes, documents, strict=True):
            if (code == 0) != each["verified"] or code not in {0, 1}:
                wrong(f"exit {code}, and verified is {each['verified']}")
        if {each.get("epoch") for each in documents} != {1}:
            wrong(f"epochs {[each.get('epoch') for each in documents]}")
        if not (self.hive / "STOP").exists():
            wrong("no STOP file")

    def _judge(self, pressed: float, returned: float) -> None:
        """The twins' word: what arrived when."""
        verdict, wrong = self._verdict, self._verdict.wrong.append
        lines = self._arrived()
        writes = [at - pressed for at, pausing in lines if not pausing]
        verdict.written = sum(at < 0 for at in writes)
        verdict.last_s = max(writes, default=float("-inf"))
        verdict.late = sum(at > returned for at, _ in lines)
        if verdict.late:
            wrong(f"{verdict.late} writes after the command had returned")
        mails = Counter(mail["to"] for mail in self._sandbox.outbox())
        if mails and max(mails.values()) > 1:
            wrong("an e-mail twice")
        running = query(self.hive, _DISPATCHING)
        if running and not verdict.residue:
            wrong(f"verified, and {len(running)} writes are dispatching")

    def _arrived(self) -> list[tuple[float, bool]]:
        """Every write at the sending vendors: when (the wall's seconds), and whether it paused."""
        counted = self._sandbox.get("counts")["by_vendor"]
        kinds = {
            (vendor, each["method"], each["path"])
            for vendor in _SENDING
            for each in counted.get(vendor, {}).get("endpoints", ())
            if each["kind"] == "write"
        }
        log: list[Any] = [line for vendor in _SENDING for line in self._log(vendor)]
        return [
            (at - self._offset_s, path.endswith("/pause"))
            for at, vendor, method, path, _ in log
            if (vendor, method, path) in kinds
        ]

    def _log(self, vendor: str) -> list[Any]:
        found: list[Any] = self._sandbox.get(f"log?vendor={vendor}")
        return found

    def _refused(self) -> None:
        """A restart does not lift it."""
        code, report = run_live(
            self.hive, self._folder / "leads.csv", self._folder / "production.json",
            self._sandbox, self._offset_s,
        )  # fmt: skip
        if code != 3:
            self._verdict.wrong.append(f"a new run ended {code}: {str(report)[:200]}")

    def _end(self, queen: subprocess.Popen[bytes]) -> None:
        queen.kill()
        queen.wait()
        for process in self._all:  # the kernel has killed them with her
            with contextlib.suppress(psutil.Error):
                process.wait(10)


_DISPATCHING = "SELECT key FROM writes WHERE status = 'dispatching'"
