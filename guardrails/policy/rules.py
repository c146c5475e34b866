"""What a rule is. Owns: findings, and how a rule's findings become checks on the record.

A rule is a name, a sentence for when it passes, and a pure function from a `Case` to findings.
No finding means it passed. A rule never sees a clock, a file or a network, and never raises on
any text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from guardrails.model import Check, Verdict
from guardrails.policy.case import Case
from guardrails.policy.words import scrub


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a rule has to say. `text` may quote outside text; it is scrubbed on the way out."""

    verdict: Verdict
    code: str
    text: str
    would_pass_if: str | None = None


Findings = Iterable[Finding]


@dataclass(frozen=True, slots=True)
class Rule:
    """A named pure rule; `passes` is what the record says when it finds nothing."""

    name: str
    passes: str
    find: Callable[[Case], Findings]

    def check(self, case: Case) -> Iterator[Check]:
        """One check per finding, or a passing one."""
        silent = True
        for finding in self.find(case):
            silent = False
            yield Check(
                rule=self.name,
                verdict=finding.verdict,
                code=finding.code,
                text=scrub(finding.text),
                would_pass_if=scrub(finding.would_pass_if) if finding.would_pass_if else None,
            )
        if silent:
            yield Check(rule=self.name, verdict=Verdict.PASS, code="ok", text=self.passes)


def passed(text: str, code: str = "ok") -> Finding:
    """A pass that has something to tell."""
    return Finding(Verdict.PASS, code, text)


def review(code: str, text: str, would_pass_if: str | None = None) -> Finding:
    """A person must look."""
    return Finding(Verdict.REVIEW, code, text, would_pass_if)


def defer(code: str, text: str, would_pass_if: str | None = None) -> Finding:
    """Something needed is missing or late."""
    return Finding(Verdict.DEFER, code, text, would_pass_if)


def block(code: str, text: str, would_pass_if: str | None = None) -> Finding:
    """This draft must not go out."""
    return Finding(Verdict.BLOCK, code, text, would_pass_if)


def disqualify(code: str, text: str, would_pass_if: str | None = None) -> Finding:
    """This lead must not be contacted."""
    return Finding(Verdict.DISQUALIFY, code, text, would_pass_if)
