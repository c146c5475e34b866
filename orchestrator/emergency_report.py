"""What an emergency stop tells. Owns: one line a step with its second, the residue, the last word.

A line is shown when its step is done, so that whoever pressed sees it happen. What could not be
verified is listed at the end, each with what to do by hand. Refuses to call anything verified that
was not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Line:
    """One step. `at_s`: seconds since the press. `ok`: None while it is under way."""

    at_s: float
    step: str
    ok: bool | None
    text: str


@dataclass(frozen=True)
class Residue:
    """What could not be verified, and what a person does about it."""

    what: str
    text: str
    remedy: str


@dataclass
class Told:
    """Everything that one press came to, for one hive."""

    hive: str
    pressed: float
    show: Callable[[Line], None]
    now: Callable[[], float] = time.time
    lines: list[Line] = field(default_factory=list)
    residue: list[Residue] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def line(
        self, step: str, text: str, *, ok: bool | None = True, at: float | None = None
    ) -> None:
        """A step is done, failed, or (None) goes on; now, or at that time (seconds since 1970)."""
        since = (self.now() if at is None else at) - self.pressed
        line = Line(round(max(0.0, since), 3), step, ok, text)
        self.lines.append(line)
        self.show(line)

    def skipped(self, step: str, why: str) -> None:
        """A step that does not apply here; it is said, and nothing is claimed of it."""
        self.line(step, f"skipped: {why}", ok=None)
        self.facts.setdefault("skipped", []).append(step)

    def unverified(self, what: str, text: str, remedy: str) -> None:
        """A step could not be verified: its line, and the residue."""
        self.line(what, text, ok=False)
        self.residue.append(Residue(what, text, remedy))

    @property
    def machine_stopped(self) -> bool:
        """Whether this machine starts no write any more."""
        return bool(self.facts.get("file") or self.facts.get("row"))

    @property
    def verified(self) -> bool:
        """Whether nothing is left to do."""
        return self.machine_stopped and not self.residue

    def document(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return {
            "hive": self.hive,
            "stopped": self.machine_stopped,
            "verified": self.verified,
            "seconds": self.lines[-1].at_s if self.lines else 0.0,
            **self.facts,
            "residue": [asdict(one) for one in self.residue],
            "steps": [asdict(one) for one in self.lines],
        }


def shown(line: Line) -> str:
    """One line for a terminal."""
    mark = {True: " ", False: "!", None: "."}[line.ok]
    return f"{line.at_s:7.2f} s {mark} {line.step:<10} {line.text}"


def last_word(told: Told) -> str:
    """What a person has to know when all is done."""
    lines = [""]
    if told.facts.get("lifted"):
        lines += ["NOT STOPPED: somebody resumed while this ran."]
    elif not told.machine_stopped:
        lines += [
            "NOT STOPPED. Neither the STOP file nor the database could be written.",
            "The queen and the servers that hold vendors' keys were ended. Whatever starts them",
            "again (systemd, swarm up) has to be stopped by hand, now.",
        ]
    elif told.verified:
        lines += ["STOPPED, and verified: nothing goes out any more, on any machine."]
    else:
        lines += ["STOPPED HERE: this machine starts no write any more. NOT VERIFIED:"]
    for one in told.residue:
        lines += [f"  - {one.what}: {one.text}", f"    Do: {one.remedy}"]
    if skipped := told.facts.get("skipped"):
        lines += [f"Not looked at, since this is a sandbox: {', '.join(skipped)}."]
    lines += [f"Standing still: {still}." for still in [told.facts.get("standing")] if still]
    if told.machine_stopped:
        lines += [
            "A restart does not lift it. When it is safe: "
            f"swarm resume --hive {told.hive} --reason '...'",
        ]
    return "\n".join(lines)
