"""Crashes at every point of a send, whoever dies, by either channel, and every fault of a vendor.

`make crash-matrix` plays every case of `crash_cases` and prints a table; the gate plays a few
(`test_p03_at_most_one_send`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.promises.crash_cases import (
    CAMPAIGN_STEPS,
    CASES,
    CHANNELS,
    Case,
    Verdict,
    line_of,
    table_of,
)
from tests.promises.crash_stage import Stage, opened_stage
from tests.promises.crash_takeover import TAKEOVERS

_PREAMBLE = """# The crash matrix (P3)

`make crash-matrix`: real processes against the twins. Each case has a person and a hive of its own
and is played to the end of everything that was open. A case without a victim is a vendor's fault
alone. "Ended, queen not told": the ledger has the outcome, and whoever asked for the write dies, or
its server does, before hearing of it. "Stopped, taken over, woken": the whole swarm gets SIGSTOP,
another queen goes on over the same hive, and the first gets SIGCONT; "late" is when the write
counts as given up by then, "meanwhile" is in the middle of the other's e-mail.

A case holds when the twin has at most one e-mail, and one exactly if the delivery says `sent`; no
note, opportunity or campaign is there twice, or there without a row of the ledger; whatever nobody
can tell is listed by `swarm sends unknown` and in the exit code; nothing is left without an end and
without a reason; the ledger holds at least as many e-mails under the caps as went out.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play all cases, print a table. 1 when one of them broke the promise."""
    parser = argparse.ArgumentParser(description="The crash matrix of P3.")
    parser.add_argument(
        "--only", action="append", default=[], help="cases whose name contains this; again for more"
    )
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    asked = parser.parse_args(arguments)
    only: list[str] = asked.only or [""]
    cases = [case for case in (*CASES, *TAKEOVERS) if any(part in case.name for part in only)]
    # The twins forget their campaign for the cases of its making, and the CRM's need none.
    cases.sort(key=lambda case: (CHANNELS.index(case.channel), case.step in CAMPAIGN_STEPS))
    verdicts = []
    with (
        tempfile.TemporaryDirectory(prefix="crash-matrix-") as folder,
        opened_stage(Path(folder)) as stage,
    ):
        for case in cases:
            verdicts.append(_tried(stage, case))
            sys.stderr.write(line_of(verdicts[-1]) + "\n")
    table = table_of(verdicts)
    sys.stdout.write(table + "\n")
    if asked.markdown:
        asked.markdown.write_text(
            f"{_PREAMBLE}\nPlayed on {datetime.now(UTC):%Y-%m-%d}.\n\n{table}\n"
        )
    return 1 if any(verdict.wrong for verdict in verdicts) else 0


def _tried(stage: Stage, case: Case) -> Verdict:
    try:
        return stage.play(case)
    except Exception as error:  # noqa: BLE001 - the case's edge: the others are played
        return Verdict(case, wrong=[f"{type(error).__name__}: {error}"])


if __name__ == "__main__":
    sys.exit(main())
