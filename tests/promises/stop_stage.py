"""Where the trials of the red button are played. Owns: twins, and a hive whose leads are decided.

The leads are decided once, on a Sunday, when nobody may be written to. Each trial gets a copy of
that hive and goes on with the same command on the Tuesday after: everything is due at once.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from servers.sandbox.leads import write_leads_csv
from tests.processes.live import (
    TUESDAY,
    Sandbox,
    append_rows,
    known_rows,
    live_config,
    offset_to,
    run_live,
    twins,
)
from tests.promises.stop_cases import Trial, Verdict
from tests.promises.stop_play import Play

_SUNDAY = 6
_KNOWN = 60
_HOUR = 3600.0


class Stage:
    """Twins and the hive that trials begin with.

    Args:
        leads: how many are loaded; about three quarters of them will be written to.
    """

    def __init__(self, folder: Path, sandbox: Sandbox, leads: int) -> None:
        self.sandbox = sandbox
        self._folder = folder
        self._template = folder / "template"
        self._template.mkdir()
        file = self._template / "leads.csv"
        known = known_rows(min(_KNOWN, leads // 4))
        write_leads_csv(file, leads - len(known), 5)
        append_rows(file, known)
        live_config(self._template)
        sunday = offset_to(_SUNDAY, 12)
        self.offset_s = offset_to(TUESDAY, 16, 30, after=sunday)
        hive = self._template / "hive"
        config = self._template / "production.json"
        code, report = run_live(hive, file, config, sandbox, sunday, "--concurrency", "32")
        assert code == 0, report
        self.due = report["deliveries"]["by_state"]["deferred"]
        assert sandbox.outbox() == [], "somebody was written to on a Sunday"
        with contextlib.closing(sqlite3.connect(hive / "swarm.db")) as conn:
            conn.execute("DELETE FROM writes")  # its campaigns: the twins forget them as well
            conn.commit()

    def folder(self, trial: Trial) -> Path:
        """Where its hive, leads and configuration are."""
        return self._folder / f"trial-{trial.seed}"

    def play(self, trial: Trial, *, keep: bool = False, concurrency: int = 48) -> Verdict:
        """One trial; its hive is kept only when asked for, or when the promise did not hold.

        Args:
            concurrency: leads in flight.
        """
        folder = self.folder(trial)
        shutil.copytree(self._template, folder)
        self.sandbox.behave(vendor_latency_ms={})
        self.sandbox.reset()
        verdict = Play(self.sandbox, self.offset_s, trial, folder, concurrency).played()
        if not (verdict.wrong or keep):
            shutil.rmtree(folder)
        return verdict


@contextlib.contextmanager
def opened_stage(folder: Path, leads: int) -> Iterator[Stage]:
    """Twins, and the leads decided."""
    with twins() as sandbox:
        yield Stage(folder, sandbox, leads)
