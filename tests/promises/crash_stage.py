"""Where the cases of the crash matrix are played. Owns: twins, a running campaign, fresh people."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from servers.sandbox.leads import lead_rows
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
from tests.promises.crash_cases import CAMPAIGN_STEPS, Case, Verdict
from tests.promises.crash_play import Play
from tests.promises.crash_takeover import Revival, Takeover

Row = dict[str, str]


class Stage:
    """Twins and people for the cases; every case has a hive and a person of its own."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._folder = folder
        self._number = 0
        self.last_hive = folder
        self.offset_s = offset_to(TUESDAY, 16, 30)
        self._people = {"ghl": known_rows(100), "instantly": _strangers()}
        self._vet()

    def _vet(self) -> None:
        """Keep whom a run would write to. It makes the campaign, and writes to one person."""
        folder = self._folder / "vetting"
        folder.mkdir()
        everybody = [person for people in self._people.values() for person in people]
        append_rows(folder / "leads.csv", everybody)
        config = live_config(folder, {"per_day": 1})
        code, report = run_live(
            folder / "hive", folder / "leads.csv", config, self.sandbox, self.offset_s
        )
        assert (code, report["deliveries"]["by_state"]["sent"]) == (0, 1), report
        written = {mail["to"] for mail in self.sandbox.outbox()}
        fit = {item["email"] for item in report["items"] if item["state"] == "ready"} - written
        for channel, people in self._people.items():
            self._people[channel] = [person for person in people if person["Email"] in fit]
        self._everybody = {channel: tuple(people) for channel, people in self._people.items()}

    def next(self, channel: str) -> tuple[Path, Row]:
        """A directory of its own, and a person whom nobody has written to."""
        if not self._people[channel]:
            self._renew(channel == "instantly")
        return self._directory(), self._people[channel].pop(0)

    def _directory(self) -> Path:
        self._number += 1
        folder = self._folder / f"{self._number:03d}"
        folder.mkdir()
        self.last_hive = folder / "hive"
        return folder

    def _renew(self, campaign: bool) -> None:
        """The twins forget everybody, and the campaign, which one more person has made anew."""
        self.sandbox.reset()
        self._people = {channel: list(people) for channel, people in self._everybody.items()}
        if campaign:
            folder, person = self._directory(), self._people["instantly"].pop(0)
            append_rows(folder / "leads.csv", [person])
            config = live_config(folder)
            code, report = run_live(
                folder / "hive", folder / "leads.csv", config, self.sandbox, self.offset_s
            )
            assert (code, report["deliveries"]["by_state"]["sent"]) == (0, 1), report

    def play(self, case: Case, url: str | None = None) -> Verdict:
        """One case, from the start to the end of everything that was open.

        Args:
            url: of a takeover between machines: PostgreSQL.
        """
        if case.step in CAMPAIGN_STEPS:
            self._renew(campaign=False)
        folder, person = self.next(case.channel)
        append_rows(folder / "leads.csv", [person])
        if isinstance(case, Takeover):
            return Revival(self.sandbox, self.offset_s, case, folder, person["Email"], url).play()
        one = Play(self.sandbox, self.offset_s, case, folder, person["Email"])
        one.begin()
        one.finish()
        return one.judged()


@contextlib.contextmanager
def opened_stage(folder: Path) -> Iterator[Stage]:
    """Twins with a running campaign."""
    with twins() as sandbox:
        yield Stage(folder, sandbox)


def _strangers() -> list[Row]:
    """People in one time zone whom no vendor knows and who fit."""
    rows = []
    for row in lead_rows(1300, 11):
        fits = row["State"] in {"Illinois", "Texas"} and row["Industry"] and row["Job Title"]
        staff = int(row["Number of Employees"] or 0)
        senior = any(word in row["Job Title"] for word in ("CEO", "Founder", "Chief", "VP"))
        if fits and 51 <= staff <= 500 and senior and "@" in row["Email"]:
            rows.append(row)
    return rows
