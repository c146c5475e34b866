"""The trials of the red button (P5). Owns: what a seed makes of one, and what came of it."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

VICTIMS = ("queen", "instantly", "ghl", "guardrails")


@dataclass(frozen=True)
class Strike:
    """SIGKILL or SIGSTOP for one process, so many seconds after the press (below 0: before)."""

    victim: str
    kill: bool
    at_s: float

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.victim} {'killed' if self.kill else 'hung'} at {self.at_s:+.2f}"


@dataclass(frozen=True)
class Trial:
    """One press under load.

    Args:
        sent_before: e-mails that have gone out when it is prepared.
        wait_s: from then to the press.
        latency_ms: by which each vendor is slow.
        pressers: how many press at once.
    """

    seed: int
    sent_before: int
    wait_s: float
    latency_ms: dict[str, float]
    strikes: tuple[Strike, ...]
    pressers: int

    @property
    def name(self) -> str:
        """For a person."""
        told = ", ".join(strike.name for strike in self.strikes) or "nobody dies"
        return f"{self.seed}: {told}" + (f"; {self.pressers} press" if self.pressers > 1 else "")


def trial(seed: int, slow: float = 1.0) -> Trial:
    """The trial of a seed: half of the four victims are struck, about the time of the press.

    Args:
        slow: how many times slower the vendors are; more writes are on their way then.
    """
    dice = random.Random(seed)
    strikes = []
    for victim in VICTIMS:
        struck, kill, at = dice.random() < 0.5, dice.random() < 0.4, dice.uniform(-0.6, 0.5)
        if struck:
            strikes.append(Strike(victim, kill, round(at, 2)))
    return Trial(
        seed=seed,
        sent_before=dice.randint(1, 20),
        wait_s=round(dice.uniform(0.7, 2.0), 2),
        latency_ms={name: round(dice.uniform(50, 600) * slow) for name in ("instantly", "ghl")},
        strikes=tuple(sorted(strikes, key=lambda strike: strike.at_s)),
        pressers=3 if dice.random() < 0.1 else 1,
    )


@dataclass
class Verdict:
    """What a trial came to; times in seconds since the press. `wrong` is empty when P5 held.

    Args:
        written: writes of the swarm at the twins before the press.
        file_s: until the STOP file was there.
        row_s: until the database knew; None when it never did.
        in_flight: writes that had begun and not ended when it was pressed.
        last_s: arrival of the swarm's last write at a twin; below 0: none after the press.
        returned_s: until the last presser's command returned.
        late: writes that arrived at a twin after that.
    """

    trial: Trial
    written: int = 0
    file_s: float = 0.0
    row_s: float | None = None
    in_flight: int = 0
    last_s: float = 0.0
    returned_s: float = 0.0
    late: int = 0
    codes: tuple[int, ...] = ()
    residue: tuple[str, ...] = ()
    wrong: list[str] = field(default_factory=list)


def line_of(verdict: Verdict) -> str:
    """One trial in one line."""
    row = "never" if verdict.row_s is None else f"{verdict.row_s:.2f}"
    told = "held" if not verdict.wrong else "BROKEN: " + "; ".join(verdict.wrong)
    left = ", ".join(verdict.residue) or "verified"
    return (
        f"| {verdict.trial.name} | {verdict.written} | {verdict.in_flight} | {verdict.file_s:.3f} "
        f"| {row} | {verdict.last_s:+.2f} | {verdict.returned_s:.1f} | {verdict.late} | {left} "
        f"| {told} |"
    )


def report_of(verdicts: Sequence[Verdict]) -> str:
    """All of them, as Markdown: what was measured first, then each trial."""
    held = sum(not verdict.wrong for verdict in verdicts)
    left = Counter(what for verdict in verdicts for what in set(verdict.residue))
    verified = sum(not verdict.residue for verdict in verdicts)
    return "\n".join(
        (
            f"{held} of {len(verdicts)} trials held; {sum(v.late for v in verdicts)} writes "
            "arrived at a twin after the command had returned.",
            "",
            "| Seconds after the press | median | 90 % | most |",
            "|---|---|---|---|",
            _spread("STOP file there", [v.file_s for v in verdicts], 3),
            _spread("database stopped", [v.row_s for v in verdicts if v.row_s is not None], 2),
            _spread("last write of the swarm at a twin", [v.last_s for v in verdicts], 2),
            _spread("command returned", [v.returned_s for v in verdicts], 1),
            "",
            f"In flight when it was pressed: median {_middle([v.in_flight for v in verdicts]):g}, "
            f"most {max(v.in_flight for v in verdicts)}. Written before: median "
            f"{_middle([v.written for v in verdicts]):g}. All verified: {verified}; not verified: "
            + (", ".join(f"{what} ({count})" for what, count in left.most_common()) or "none")
            + ".",
            "",
            "| Trial | Written | In flight | File | Database | Last write | Returned | Late "
            "| Not verified | Promise |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(line_of(verdict) for verdict in verdicts),
        )
    )


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0


def _spread(what: str, values: Sequence[float], digits: int) -> str:
    ordered = sorted(values)
    if not ordered:
        return f"| {what} | - | - | - |"
    tenth = ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))]
    found = (_middle(ordered), tenth, ordered[-1])
    return f"| {what} | " + " | ".join(f"{value:.{digits}f}" for value in found) + " |"
