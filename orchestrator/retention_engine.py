"""The engine's memory of ended work. Owns: forgetting it after its days, by the engine's own means.

A workflow's rows serve to go on after a crash; one that has ended is never gone on with, and what
it did stands in our own tables. Refuses to touch what has not ended. Needs the running engine.
"""

from __future__ import annotations

from datetime import datetime

from dbos import DBOS

from guardrails.clock import iso

ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
PIECE = 200  # workflows deleted in one transaction
PIECES = 10  # in one pass


async def forget_ended(before: datetime) -> int:
    """Delete workflows that ended before then; gives how many, at most 2,000.

    Raises: what the engine raises when its database fails.
    """
    total = 0
    for _ in range(PIECES):
        found = await DBOS.list_workflows_async(
            status=ENDED,
            completed_before=iso(before),
            limit=PIECE,
            load_input=False,
            load_output=False,
        )
        if found:
            await DBOS.delete_workflows_async([one.workflow_id for one in found])
        total += len(found)
        if len(found) < PIECE:
            break
    return total
