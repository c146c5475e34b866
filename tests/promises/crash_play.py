"""One case of the crash matrix: up to its point, strike, go on until nothing is open, judge."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from guardrails.hive import Hive
from guardrails.identity import dedupe_key, lead_id
from tests.processes.live import Sandbox, live_command, live_config, run_live
from tests.processes.swarm import environment
from tests.promises.crash_book import Book
from tests.promises.crash_cases import BY_THE_TWIN, CHANNELS, Case, Step, Verdict, Victim
from tests.promises.crash_judge import Judge
from tests.promises.crash_reach import ENOUGH_S, LATENCY_MS, Reach

READ_S = 4  # how long a lost request is waited for
_SITE = {
    Step.CAMPAIGN: "instantly.create_campaign",
    Step.ACTIVATE: "instantly.activate_campaign",
    Step.CONTACT: "ghl.upsert_contact",
    Step.TAGS: "ghl.add_tags",
    Step.NOTE: "ghl.add_note",
    Step.OPPORTUNITY: "ghl.create_opportunity",
}
_EMAIL_SITE = {"instantly": "instantly.create_lead", "ghl": "ghl.send_email"}


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
        self._book = Book(self._hive)
        self._verdict = Verdict(case)
        self._before = len(sandbox.writes())
        self._code = 0
        # The same to the end: what waits was decided under it.
        self._config = configured(case, folder, email)

    def begin(self) -> None:
        """Run up to the point and strike, or to the end with the fault."""
        sandbox, case = self._sandbox, self._case
        slow = dict.fromkeys(CHANNELS, LATENCY_MS) if case.point else {}
        # The campaign is there: the next write at this vendor is the e-mail.
        acted = {case.channel: 1} if case.fault == BY_THE_TWIN else {}
        sandbox.behave(vendor_latency_ms=slow, act_and_fail=acted)
        command = live_command(self._hive, self._folder / "leads.csv", self._config, sandbox)
        env = environment(SWARM_SANDBOX_OFFSET_S=repr(self._offset_s))
        with (self._folder / "queen.out").open("w") as out:
            queen = subprocess.Popen(command, cwd=self._folder, env=env, stdout=out, stderr=out)
        try:
            if case.point is not None:
                self._strike(queen)
            self._code = queen.wait(ENOUGH_S * 2)
        finally:
            queen.kill()
            queen.wait()
            sandbox.behave(vendor_latency_ms={}, act_and_fail={})

    def finish(self) -> None:
        """The same command, until nothing is open or only a person could tell."""
        self._verdict.resumes, code = self._book.finish(self._run, self._offset_s)
        self._code = self._code if code is None else code

    def _run(self, offset_s: float) -> int:
        leads = self._folder / "leads.csv"
        return run_live(self._hive, leads, self._config, self._sandbox, offset_s)[0]

    def judged(self) -> Verdict:
        """What it came to."""
        judge = Judge(self._verdict, self._book, self._sandbox, self._before)
        return judge.judge(self._email, self._code)

    def _strike(self, queen: subprocess.Popen[bytes]) -> None:
        """Reach the point, hold everybody there, and kill."""
        out = self._folder / "queen.out"
        reach = Reach(self._case, queen, self._book, self._sandbox, self._email, out)
        try:
            reach.point()
            match self._case.victim:
                case Victim.QUEEN:
                    queen.send_signal(signal.SIGKILL)
                    queen.wait()
                case Victim.GUARDRAILS:
                    reach.servers.of("guardrails").kill()
                case _:
                    reach.servers.of(self._case.sender).kill()
        finally:
            reach.let_go()


def configured(case: Case, folder: Path, email: str, **delivery: int) -> Path:
    """Live, without caps, with this case's fault for this person; `delivery` changes settings."""
    fault, targets = case.injected, []
    if fault:
        lead = lead_id(Hive(folder / "hive", sandbox=True).salt(), dedupe_key(email))
        site = _SITE.get(case.step) or _EMAIL_SITE[case.channel]
        targets = [{"lead_id": lead, "site": site, "fault": fault}]
    document = json.loads(live_config(folder, delivery=delivery).read_text())
    document["failure_injection"] |= {
        "enabled": bool(targets), "rate": 0.0, "seed": 1, "targets": targets,
    }  # fmt: skip
    for vendor in CHANNELS:
        document["vendors"][vendor]["timeouts"]["read"] = READ_S
    file = folder / "faulty.json"
    file.write_text(json.dumps(document))
    return file
