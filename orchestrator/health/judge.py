"""One round's verdict. Owns: which checks there are, and what each needs to have been seen.

A check whose facts could not be read decides nothing: what it found before stays as it was, and
what could not be read is a finding of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from guardrails.addresses import without_addresses
from orchestrator.health import checks_brakes, checks_machine, checks_process, checks_work
from orchestrator.health.model import Check, Finding, Limits, Snapshot, Undecided

# Name of the check, which begins its keys; what it needs; the check.
CHECKS: tuple[tuple[str, str | None, Check], ...] = (
    ("hive", None, checks_machine.hive),
    ("database", None, checks_machine.database),
    ("disk", "disk", checks_machine.disk),
    ("audit", None, checks_machine.audit),
    ("clock", "skew_s", checks_machine.clock),
    ("certificate", "certificate", checks_machine.certificate),
    ("process", "work", checks_process.processes),
    ("server", "work", checks_process.servers),
    ("waits", "work", checks_process.waits),
    ("inbox", "work", checks_work.inbox),
    ("visitors", "work", checks_work.visitors),
    ("deliveries", "work", checks_work.deliveries),
    ("sends", "work", checks_work.sends),
    ("approvals", "work", checks_work.approvals),
    ("messages", "work", checks_work.messages),
    ("memory", "work", checks_work.remembered),
    ("breaker", "work", checks_brakes.breakers),
    ("spend", "work", checks_brakes.spend),
    ("rates", "work", checks_brakes.rates),
    ("pause", "work", checks_brakes.pauses),
    ("key", "work", checks_brakes.keys),
    ("stop", None, checks_brakes.stop),
)


@dataclass(frozen=True)
class Judgement:
    """What was found, the worst of each key, and what was not decided: keys, and beginnings of
    keys up to a `:` or `/`.
    """

    findings: tuple[Finding, ...]
    undecided: tuple[str, ...]

    def decides(self, key: str) -> bool:
        """Whether a key that is not among the findings is well."""
        return not any(
            key.startswith(one) if one.endswith((":", "/")) else key == one
            for one in self.undecided
        )


def judge(seen: Snapshot, limits: Limits) -> Judgement:
    """Every check over one snapshot."""
    found: dict[str, Finding] = {}
    undecided: list[str] = []
    for name, needs, check in CHECKS:
        if not _can(seen, needs):
            undecided.append(f"{name}:")
            continue
        for one in check(seen, limits):
            if isinstance(one, Undecided):
                undecided.append(one.key)
            elif one.key not in found or one.severity.rank > found[one.key].severity.rank:
                found[one.key] = one
    return Judgement(tuple(map(_clean, found.values())), tuple(undecided))


def _clean(finding: Finding) -> Finding:
    """Reasons are people's words, and drivers' errors quote what they were given."""
    return replace(finding, what=without_addresses(finding.what))


def _can(seen: Snapshot, needs: str | None) -> bool:
    if needs is None:
        return True
    if needs == "certificate":
        return seen.certificate_ends is not None or seen.certificate_problem is not None
    return getattr(seen, needs) is not None
