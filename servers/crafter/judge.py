"""Whether a text may leave the crafter. Owns: asking the content rules and the tone corpus.

The rules are the gate's own (`guardrails.policy`), asked here so that a draft they would block is
never handed over. The gate asks them again: this is no substitute for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from guardrails.model import (
    Check,
    Dossier,
    Draft,
    Lead,
    Mode,
    Scope,
    Sender,
    Verdict,
)
from guardrails.policy import claims, content
from guardrails.policy.case import Case, CompiledPolicy
from guardrails.policy.inputs import GateInputs
from guardrails.policy.rules import Finding
from servers.crafter.tone import Tone, message_of

_NOBODY = Lead(lead_id="L-" + "0" * 20, dedupe_key="")


class Judge:
    """The content rules, the claim rules and the tone corpus, ready to ask."""

    def __init__(self, policy: CompiledPolicy, tone: Tone, sender: Sender, sandbox: bool) -> None:
        self._policy = policy
        self._tone = tone
        self._sender = sender
        self._sandbox = sandbox

    def fault(self, draft: Draft, dossier: Dossier, now: datetime) -> Finding | None:
        """The first thing that keeps this draft from passing; None when nothing does."""
        case = self._case(draft, dossier, now)
        return next(self._faults(case), None)

    def text(self, subject: str, body: str, now: datetime) -> tuple[tuple[Check, ...], float]:
        """Content and tone checks of any text, and the tone score from 0 to 1."""
        draft = Draft(
            subject=subject,
            body=body,
            template="",
            template_hash="",
            scope=Scope(segment="other", angle="plain", persona="other"),
            sender=self._sender,
        )
        case = self._case(draft, Dossier(lead=_NOBODY), now)
        found = [check for rule in content.RULES for check in rule.check(case)]
        tone, score = self._tone.judge(message_of(body, self._sender.name))
        return (*found, *tone), score

    def _faults(self, case: Case) -> Iterator[Finding]:
        for rule in (*content.RULES, *claims.RULES):
            for finding in rule.find(case):
                if finding.verdict is not Verdict.PASS:
                    yield finding

    def _case(self, draft: Draft, dossier: Dossier, now: datetime) -> Case:
        inputs = GateInputs(
            run_id="",
            dossier=dossier,
            draft=draft,
            mode=Mode.SHADOW,
            sandbox=self._sandbox,
            now=now,
            policy_version="",
            policy_digest="",
            bank_version="",
        )
        return Case(inputs, self._policy)
