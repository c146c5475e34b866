"""The guardrails server's environment. Owns: who may approve.

It needs no vendor's key and reads none: what decides must not be able to act.
"""

from __future__ import annotations

from pydantic import Field

from guardrails.approvers import ApproverList, slack_ids
from guardrails.config import Config
from servers.common.sender import SenderSettings


class GuardrailsSettings(SenderSettings):
    """What every server reads, and the sender: drafts signed by another are refused."""

    approver_ids: str = Field(default="", validation_alias="SLACK_APPROVER_IDS")

    def approvers(self, config: Config, salt: bytes) -> ApproverList:
        """Whose yes counts. Raises ConfigError."""
        return ApproverList.of(config.approvers, slack_ids(self.approver_ids), salt)
