"""What a message should show now. Owns: reading it back, and knowing what need not be shown.

Asked at the moment of posting, so that a card never says something older than what stands.
"""

from __future__ import annotations

from guardrails.approval_model import ApprovalState
from guardrails.approvals import Approvals
from guardrails.errors import NotFound
from orchestrator.approvals.case import Cases
from orchestrator.slack.cards import Cards
from orchestrator.slack.client import Message
from orchestrator.slack.outgoing import Outgoing, OutState
from orchestrator.slack.words import section

# Of what ended before it was ever shown, only silence is news to people in Slack.
_WORTH_SHOWING = (ApprovalState.WAITING, ApprovalState.EXPIRED)


class Unneeded(Exception):
    """It need not be posted any more."""


class Contents:
    """Makes messages of what is queued."""

    def __init__(self, approvals: Approvals, cases: Cases, cards: Cards) -> None:
        self._approvals = approvals
        self._cases = cases
        self._cards = cards

    async def of(self, message: Outgoing) -> Message:
        """What it should show.

        Raises:
            Unneeded: nothing, any more.
            AuditBroken: what is stored is not what was recorded.
            StoreUnavailable: the database cannot be read.
        """
        return await (self._card if message.kind == "card" else self._notice)(message)

    async def _card(self, message: Outgoing) -> Message:
        approval = await self._approvals.get(message.approval_id or "")
        if approval is None:
            raise Unneeded("its approval is gone")
        if message.state is OutState.NEW and approval.state not in _WORTH_SHOWING:
            raise Unneeded("it ended before it was shown")
        try:
            return self._cards.message(await self._cases.of(approval))
        except NotFound as error:
            if approval.state is ApprovalState.WAITING:
                raise Unneeded(error.message) from error
            return self._cards.without_record(approval)

    async def _notice(self, message: Outgoing) -> Message:
        if message.document.get("while_waiting") and message.approval_id:
            approval = await self._approvals.get(message.approval_id)
            if approval is None or approval.state is not ApprovalState.WAITING:
                raise Unneeded("it was decided before this was posted")
        text = str(message.document["text"])
        # The block carries the id: where metadata is lost, the message is found by it.
        block = section(text) | {"block_id": message.message_id}
        return Message(message.message_id, text, [block])
