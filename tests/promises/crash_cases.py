"""The cells of the crash matrix (P3). Owns: which writes, points, victims and faults there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Step(StrEnum):
    """The write that a point is about."""

    CAMPAIGN = "campaign"
    ACTIVATE = "campaign's start"
    EMAIL = "e-mail"
    CONTACT = "contact"
    TAGS = "tags"
    NOTE = "note"
    OPPORTUNITY = "opportunity"


class Point(StrEnum):
    """Where the blow falls, by the ledger's row of the write."""

    QUEUED = "decided, nothing claimed"
    CLAIMING = "claimed, not on record"
    CLAIMED = "claimed, permit bound"
    DISPATCHING = "dispatching, vendor has not acted"
    ACTED = "dispatching, vendor has acted"
    ANSWERED = "vendor has answered, ledger not told"
    ENDED = "ended, queen not told"
    CRM_OPEN = "sent, CRM not told"


class Victim(StrEnum):
    """Who gets SIGKILL."""

    QUEEN = "queen"  # and with her all servers: the kernel sees to it
    SENDER = "sender"  # the server that holds the vendor's key
    GUARDRAILS = "guardrails"


BY_THE_TWIN = "acted_then_502"
_TO_STAND_THERE = {Point.DISPATCHING: "timeout_before", Point.ACTED: "timeout_after"}


@dataclass(frozen=True)
class Case:
    """One cell of the matrix. Without a point, the fault alone."""

    channel: str
    point: Point | None = None
    victim: Victim | None = None
    fault: str | None = None
    step: Step = Step.EMAIL

    @property
    def name(self) -> str:
        """For a person."""
        if self.point is None:
            return f"{self.channel}: {self.fault}"
        after = f" after {self.fault}" if self.fault else ""
        return f"{self.channel}: {self.step} {self.point}{after}; {self.victim} killed"

    @property
    def injected(self) -> str | None:
        """The fault that the swarm's own injection does, for this person, once."""
        if self.fault is None:
            return _TO_STAND_THERE.get(self.point) if self.point else None
        return None if self.fault == BY_THE_TWIN else self.fault

    @property
    def sender(self) -> str:
        """The server that does this write."""
        if self.step is not Step.EMAIL:
            return "instantly" if self.step in CAMPAIGN_STEPS else "ghl"
        return "ghl" if self.point is Point.CRM_OPEN else self.channel


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
    "truncated_json", "malformed_json", "created_422", BY_THE_TWIN,
)  # fmt: skip
CHANNELS = ("instantly", "ghl")
CAMPAIGN_STEPS = (Step.CAMPAIGN, Step.ACTIVATE)
_CRM_STEPS = (Step.CONTACT, Step.TAGS, Step.NOTE, Step.OPPORTUNITY)
# The transitions of any other write than the e-mail; what is between its claim and its permit is
# the same code.
_TRANSITIONS = (Point.CLAIMED, Point.DISPATCHING, Point.ACTED, Point.ENDED)
_LEAVE_OPEN = ("timeout_before", "timeout_after", "reset", BY_THE_TWIN)

FAULTS = tuple(Case(channel, fault=fault) for channel in CHANNELS for fault in HTTP_FAULTS)
KILLS = tuple(
    Case(channel, point, victim) for channel in CHANNELS for point in Point for victim in Victim
)
# The fate is on record as the fault left it, and whoever asked for the write has not heard of it.
FAULTY_KILLS = tuple(
    Case(channel, Point.ENDED, victim, fault)
    for channel in CHANNELS
    for fault in _LEAVE_OPEN
    for victim in Victim
)
CRM_KILLS = tuple(
    Case(channel, point, victim, step=step)
    for channel in CHANNELS
    for step in _CRM_STEPS
    for point in _TRANSITIONS
    for victim in Victim
)
CAMPAIGN_KILLS = tuple(
    Case("instantly", point, victim, step=step)
    for step in CAMPAIGN_STEPS
    for point in _TRANSITIONS
    for victim in Victim
)
CASES = (*FAULTS, *KILLS, *FAULTY_KILLS, *CRM_KILLS, *CAMPAIGN_KILLS)


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
