"""The red button under load, again and again (P5): seeded blows, and the twins' count afterwards.

`python -m tests.promises.stop_trials --trials 100` (`make stop-trials`) plays them and prints what
was measured; the gate plays a few (`test_p05_stop_means_stop`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.promises.stop_cases import Trial, Verdict, line_of, report_of, trial
from tests.promises.stop_stage import Stage, opened_stage

LEADS = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the trials, print the report. 1 when one of them broke the promise."""
    parser = argparse.ArgumentParser(description="Trials of the red button.")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--first", type=int, default=1, help="seed of the first one")
    parser.add_argument("--leads", type=int, default=LEADS)
    parser.add_argument("--concurrency", type=int, default=48, help="leads in flight")
    parser.add_argument("--slow", type=float, default=1.0, help="vendors slower by this factor")
    parser.add_argument("--markdown", type=Path, help="also write the report to this file")
    asked = parser.parse_args(arguments)
    verdicts = []
    folder = Path(tempfile.mkdtemp(prefix="stop-trials-"))  # kept: a broken trial's hive is in it
    with opened_stage(folder, asked.leads) as stage:
        sys.stderr.write(f"{asked.leads} leads, {stage.due} of them due; {folder}\n")
        for seed in range(asked.first, asked.first + asked.trials):
            verdicts.append(_tried(stage, trial(seed, asked.slow), asked.concurrency))
            sys.stderr.write(line_of(verdicts[-1]) + "\n")
            sys.stderr.flush()
            if asked.markdown:  # whoever has to end it early keeps what there is
                asked.markdown.write_text(report_of(verdicts) + "\n")
    sys.stdout.write(report_of(verdicts) + "\n")
    return 1 if any(verdict.wrong for verdict in verdicts) else 0


def _tried(stage: Stage, one: Trial, concurrency: int) -> Verdict:
    try:
        return stage.play(one, concurrency=concurrency)
    except Exception as error:  # noqa: BLE001 - the trial's edge: the others are played
        return Verdict(one, wrong=[f"{type(error).__name__}: {error}"])


if __name__ == "__main__":
    sys.exit(main())
