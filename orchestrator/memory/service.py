"""What the memory's process answers. No MCP here.

Owns: the translation between the contract and the parts.
"""

from __future__ import annotations

from guardrails.errors import BadInput
from guardrails.store import Store
from orchestrator.memory.contract import (
    GetMemoryStatus,
    LookUpHistory,
    Recalled,
    RejectedFact,
    StatusOfMemory,
)
from orchestrator.memory.outbox import backlog
from orchestrator.memory.recall import History, recall
from orchestrator.memory.rows import Sender
from orchestrator.memory.worker import Worker


class MemoryService:
    """The tools' behaviour. All arguments and results are the contract's."""

    def __init__(self, store: Store, memory: History, sender: Sender, worker: Worker) -> None:
        self._store = store
        self._memory = memory
        self._sender = sender
        self._worker = worker

    async def look_up_history(self, args: LookUpHistory) -> Recalled:
        """What is known of them; silence is an answer. Raises BadInput when nobody is named."""
        if not (args.lead_id or args.email or args.domain):
            raise BadInput("nobody is named", remedy="Give lead_id, email or domain.")
        return Recalled(recollection=await recall(self._memory, self._sender, args))

    async def get_memory_status(self, _args: GetMemoryStatus) -> StatusOfMemory:
        """How memory and outbox stand. Raises StoreUnavailable."""
        found = await self._store.query(backlog)
        said = self._worker.standing
        return StatusOfMemory(
            waiting=found.waiting,
            oldest=found.oldest,
            set_aside=found.set_aside,
            rejected=tuple(
                RejectedFact(kind=k, key=key, why=why) for k, key, why in found.rejected
            ),
            last_success=said.last_success,
            trouble=said.trouble,
            drains=said.drains,
            lessons_refused=said.refused,
            strangers=said.strangers,
        )
