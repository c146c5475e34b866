"""What a mode above shadow rests on. Owns: the signed statement, and how a mode stands.

A statement says that a mode was earned, or that a person overrode the lack of it, for exactly one
hive and exactly three versions. Refuses: a statement without what makes it one (an earned one
without checks that hold, an override without a reason), and one for shadow, which needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from guardrails.clock import iso
from guardrails.model import Frozen, Mode, canonical_json
from guardrails.versions import Versions

KIND = "readiness"
# Before what is signed: no signature of ours over anything else can be taken for one over this.
_ABOUT = b"swarm readiness 1\n"
StatementKind = Literal[
    "earned",  # every check that the mode needs was answered yes
    "override",  # a person took it upon themselves
]
Answer = Literal["ok", "warn", "fail", "unknown"]


class Statement(Frozen):
    """What is signed."""

    form: Literal[1] = 1
    number: int = Field(ge=1, description="Of this hive's statements, from 1 without gaps.")
    kind: StatementKind
    mode: Mode
    versions: Versions
    chain: str = Field(min_length=1, description="The hive's audit chain: another's is not ours.")
    sandbox: bool
    issued_at: AwareDatetime
    by: str = Field(min_length=1, max_length=200)
    reason: str = Field(default="", max_length=1000)
    checks: dict[str, Answer] = Field(description="Every check that was made, by its name.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.mode is Mode.SHADOW:
            raise ValueError("shadow needs no statement")
        if self.kind == "override" and not self.reason.strip():
            raise ValueError("an override needs a reason")
        held = set(self.checks.values()) <= {"ok", "warn"} and "ok" in self.checks.values()
        if self.kind == "earned" and not held:
            raise ValueError("nothing is earned by checks that do not hold")
        return self

    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        return _ABOUT + canonical_json(self)

    def told(self) -> str:
        """One line for a person."""
        when = f"{iso(self.issued_at)[:16]}Z"
        if self.kind == "override":
            return f"{self.mode} by override of {self.by} on {when}: {self.reason}"
        return f"{self.mode} earned on {when}"


@dataclass(frozen=True)
class Held:
    """A statement on record whose signature holds.

    Args:
        audit_id: its record.
    """

    statement: Statement
    audit_id: str


@dataclass(frozen=True)
class Standing:
    """Which mode is in force, and why not a higher one.

    Args:
        configured: what configuration and command line ask for.
        mode: what is in force; never above `configured`.
        lowered_because: why it is lower; empty when it is not.
        rests_on: the statement that carries the mode; None in shadow and where none is needed.
        overrides: every override that this hive has ever seen, oldest first, of whatever versions.
        free: modes need not be earned here: the sandbox.
        asked: a higher mode that a command line asked for in vain.
    """

    configured: Mode
    mode: Mode
    lowered_because: str = ""
    rests_on: Held | None = None
    overrides: tuple[Held, ...] = ()
    free: bool = False
    asked: Mode | None = None

    @property
    def lowered(self) -> bool:
        """Whether less is in force than was asked for."""
        return self.mode is not self.configured

    def notes(self) -> tuple[str, ...]:
        """What has to be told wherever the mode is shown; empty when all is as it looks."""
        notes = []
        if self.asked is not None:
            notes.append(
                f"NOT {self.asked}: a command line can only lower the mode that production.json "
                f"says ({self.configured})"
            )
        if self.lowered:
            notes.append(
                f"MODE LOWERED to {self.mode} (configured: {self.configured}): "
                f"{self.lowered_because}"
            )
        for held in self.overrides:
            mine = self.rests_on is not None and held.audit_id == self.rests_on.audit_id
            word = "in force" if mine else "on record"
            notes.append(f"OVERRIDE {word}: {held.statement.told()} (audit {held.audit_id})")
        return tuple(notes)


def lower_of(configured: Mode, wanted: Mode | None) -> Mode:
    """The lower of the two."""
    return configured if wanted is None or wanted.rank >= configured.rank else wanted


def freely(mode: Mode) -> Standing:
    """The standing where modes need not be earned."""
    return Standing(configured=mode, mode=mode, free=True)
