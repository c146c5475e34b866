"""Who is turned away before a credit or a word is spent. Owns: asking the policy early.

The same rules as at the gate, asked sooner. It only ever saves work: the gate decides again, on
the record, and a lead that slips through here is stopped there.
"""

from __future__ import annotations

from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.model import Dossier, Qualification
from guardrails.policy import CompiledPolicy, GateInputs, PolicyDocument, turned_away


class Triage:
    """The policy, compiled once."""

    def __init__(self, config: Config, clock: Clock, *, sandbox: bool) -> None:
        self._policy = CompiledPolicy(PolicyDocument.of(config))
        self._mode = config.production.mode
        self._clock = clock
        self._sandbox = sandbox

    def turned_away(self, dossier: Dossier, qualification: Qualification | None = None) -> bool:
        """Whether nothing that could still be found out or written would let this lead through."""
        inputs = GateInputs(
            run_id="",
            dossier=dossier,
            qualification=qualification,
            mode=self._mode,
            sandbox=self._sandbox,
            now=self._clock(),
            policy_version="",
            policy_digest="",
            bank_version="",
        )
        return turned_away(inputs, self._policy)
