"""What a preflight says. Owns: the closed list of its checks, what each proves, and their answers.

Each check has one place in the list: what it proves and from which mode on it is needed. A needed
check that was not answered counts as unknown, and unknown is never yes. Refuses a finding under a
name that is not in the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from guardrails.model import Frozen, Mode
from guardrails.readiness_model import Answer
from guardrails.versions import Versions


class Group(StrEnum):
    """The guide's checklists, in its order."""

    KEYS = "Keys to the kingdom"  # section 2: does each credential open what it must
    GROUND = "The ground"  # machine, hive, database, configuration
    DAY_1 = "Day 1: silent run"
    DAY_2 = "Day 2: chaos"
    LETTERS = "What goes out"  # the law's and the mailbox providers' rules
    PEOPLE = "People who approve"
    DAY_3 = "Day 3: controlled live fire"
    SLEEP = "Before you sleep"  # section 4


@dataclass(frozen=True)
class Spec:
    """One check.

    Args:
        needed_for: the lowest mode that must not be entered without it; None: good to know.
    """

    group: Group
    proves: str
    needed_for: Mode | None


_S, _A, _L = Mode.SHADOW, Mode.ASSISTED, Mode.LIVE
G = Group
SPECS: Mapping[str, Spec] = {
    "variables": Spec(G.KEYS, "every critical variable is set", _S),
    "recommended": Spec(G.KEYS, "the recommended variables are set", None),
    "ghl_key": Spec(G.KEYS, "GoHighLevel opens what the swarm reads there", _S),
    "ghl_duplicates": Spec(G.KEYS, "the location keeps one contact per person", None),
    "instantly_key": Spec(G.KEYS, "Instantly opens what the swarm reads there", _S),
    "clay_key": Spec(G.KEYS, "Clay knows the key", _S),
    "rb2b_key": Spec(G.KEYS, "RB2B knows the key", None),
    "slack_key": Spec(G.KEYS, "Slack knows the bot, in the workspace that is configured", _A),
    "slack_channel": Spec(G.KEYS, "the bot is in the channel of the approvals", _A),
    "supabase_key": Spec(G.KEYS, "Supabase takes the key, and by which headers", _S),
    "config": Spec(G.GROUND, "config/ is valid and injects no failures", _S),
    "hive": Spec(G.GROUND, "the hive is its owner's alone", _S),
    "machine": Spec(G.GROUND, "Python and file locks are as the swarm needs them", _S),
    "disk": Spec(G.GROUND, "there is room on the disk", _S),
    "clock": Spec(G.GROUND, "this machine's clock is right", _A),
    "database": Spec(G.GROUND, "the database is writable and of this version", _S),
    "bank": Spec(G.GROUND, "the reasoning bank can be read", _S),
    "audit": Spec(G.GROUND, "the audit chain holds from its first record on", _S),
    "servers": Spec(G.GROUND, "all six servers start and answer", _S),
    "shadow_run": Spec(G.DAY_1, "ten leads went through without a crash, on these versions", _A),
    "chaos": Spec(G.DAY_2, "the swarm held an hour of failures, on these versions", _A),
    "letters": Spec(G.LETTERS, "every template has postal address and a way to opt out", _A),
    "spf": Spec(G.LETTERS, "the sending domain says who may send for it (SPF)", _A),
    "dkim": Spec(G.LETTERS, "the sending domain publishes a DKIM key", _A),
    "dmarc": Spec(G.LETTERS, "the sending domain has a DMARC policy", _A),
    "mailbox": Spec(G.LETTERS, "the mailbox is connected and warmed up", _A),
    "campaign": Spec(G.LETTERS, "Instantly's campaign can be used", _A),
    "pipeline": Spec(G.LETTERS, "pipeline and stage are there in the CRM", _A),
    "approvers": Spec(G.PEOPLE, "two people may approve, one of them when the others are late", _A),
    "approvers_reachable": Spec(G.PEOPLE, "Slack knows each of them", _A),
    "approvals": Spec(G.DAY_3, "people approved five and rejected one, on these versions", _L),
    "learned": Spec(G.DAY_3, "what was rejected stands in the reasoning bank", _L),
    "unknown_sends": Spec(G.DAY_3, "no e-mail's fate is unknown", _A),
    "monitor": Spec(G.SLEEP, "the health monitor watches", _A),
    "spend_cap": Spec(G.SLEEP, "the daily cap is set and sane", _S),
    "red_button": Spec(G.SLEEP, "the red button was tried lately, and verified", _A),
    "not_stopped": Spec(G.SLEEP, "the swarm is not stopped", None),
    "backup": Spec(G.SLEEP, "there is a fresh copy of the hive", None),
}  # fmt: skip


class Check(Frozen):
    """One answer.

    `warn`: it holds, and something about it should be looked at. `unknown`: it could not be asked,
    which counts as no.
    """

    name: str
    result: Answer
    seen: str = Field(description="What was looked at and found.")
    do: str = Field(default="", description="What to do next; empty when there is nothing to do.")

    @property
    def spec(self) -> Spec:
        """Its place in the list."""
        return SPECS[self.name]

    @property
    def holds(self) -> bool:
        """Whether it is a yes."""
        return self.result in ("ok", "warn")


def ok(name: str, seen: str) -> Check:
    """It holds."""
    return Check(name=name, result="ok", seen=seen)


def warn(name: str, seen: str, do: str) -> Check:
    """It holds, and something should be looked at."""
    return Check(name=name, result="warn", seen=seen, do=do)


def fail(name: str, seen: str, do: str) -> Check:
    """It does not hold."""
    return Check(name=name, result="fail", seen=seen, do=do)


def unknown(name: str, seen: str, do: str) -> Check:
    """It could not be asked."""
    return Check(name=name, result="unknown", seen=seen, do=do)


@dataclass(frozen=True)
class Findings:
    """All answers, one for each check of the list, in its order."""

    checks: tuple[Check, ...]
    versions: Versions | None

    @classmethod
    def of(cls, checks: Iterable[Check], versions: Versions | None) -> Findings:
        """Every check of the list; one that nobody answered is unknown.

        Raises:
            KeyError: an answer to a check that is not in the list.
        """
        answered: dict[str, Check] = {}
        for check in checks:
            assert SPECS[check.name]
            answered[check.name] = check
        missing = "nobody looked: this is a defect, report it"
        whole = tuple(answered.get(name) or unknown(name, missing, "") for name in SPECS)
        return cls(whole, versions)

    def needed(self, mode: Mode) -> tuple[Check, ...]:
        """The checks that this mode needs."""
        return tuple(
            check
            for check in self.checks
            if check.spec.needed_for is not None and check.spec.needed_for.rank <= mode.rank
        )

    def missing(self, mode: Mode) -> tuple[Check, ...]:
        """Those of them that do not hold."""
        return tuple(check for check in self.needed(mode) if not check.holds)

    def answers(self, mode: Mode) -> dict[str, Answer]:
        """For the record: the checks that the mode needs, by name."""
        return {check.name: check.result for check in self.needed(mode)}
