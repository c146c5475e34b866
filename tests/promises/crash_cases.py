"""The cells of the crash matrix (P3). Owns: which points, victims and faults there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Point(StrEnum):
    """Where the blow falls, by the ledger's row of the e-mail."""

    QUEUED = "decided, nothing claimed"
    CLAIMED = "claimed, permit bound"
    DISPATCHING = "dispatching, vendor has not acted"
    ACTED = "dispatching, vendor has acted"
    SENT = "sent, queen not told"
    CRM_OPEN = "sent, CRM not told"
    NOTE_ACTED = "note dispatching, vendor has acted"


class Victim(StrEnum):
    """Who gets SIGKILL."""

    QUEEN = "queen"  # and with her all servers: the kernel sees to it
    SENDER = "sender"  # the server that holds the vendor's key
    GUARDRAILS = "guardrails"


@dataclass(frozen=True)
class Case:
    """One cell of the matrix. Without a point, the fault alone."""

    channel: str
    point: Point | None = None
    victim: Victim | None = None
    fault: str | None = None

    @property
    def name(self) -> str:
        """For a person."""
        what = self.fault or f"{self.point}; {self.victim} killed"
        return f"{self.channel}: {what}"


@dataclass
class Verdict:
    """What a case came to. `wrong` is empty when the promise held."""

    case: Case
    state: str = ""
    ledger: str = ""
    emails: int = 0
    resumes: int = 0
    wrong: list[str] = field(default_factory=list)


HTTP_FAULTS = (
    "timeout_before", "timeout_after", "reset", "http_429", "http_500", "http_503", "slow",
    "truncated_json", "malformed_json", "created_422", "acted_then_502",
)  # fmt: skip
CHANNELS = ("instantly", "ghl")
KILLS = tuple(
    Case(channel, point, victim) for channel in CHANNELS for point in Point for victim in Victim
)
FAULTS = tuple(Case(channel, fault=fault) for channel in CHANNELS for fault in HTTP_FAULTS)


def line_of(verdict: Verdict) -> str:
    """One case in one line."""
    told = "held" if not verdict.wrong else "BROKEN: " + "; ".join(verdict.wrong)
    return (
        f"| {verdict.case.name} | {verdict.emails} | {verdict.state} | {verdict.ledger} "
        f"| {verdict.resumes} | {told} |"
    )


def table_of(verdicts: Sequence[Verdict]) -> str:
    """All of them, as Markdown."""
    held = sum(not verdict.wrong for verdict in verdicts)
    return "\n".join(
        (
            "| Case | E-mails at the twin | Delivery | Ledger | Resumed | Promise |",
            "|---|---|---|---|---|---|",
            *(line_of(verdict) for verdict in verdicts),
            "",
            f"{held} of {len(verdicts)} cases held.",
        )
    )
