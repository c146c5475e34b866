"""`swarm sends reconcile`: asking the vendors what became of unknown fates. Owns: its run.

It is the delivery's own workflow that asks, from where the lead stands: nothing is sent by it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import structlog

from guardrails.errors import ConfigError
from orchestrator.bootstrap import running_swarm
from orchestrator.deliver import WORKFLOW
from orchestrator.deliveries import DeliveryState
from orchestrator.engine import Json
from orchestrator.environment import Environment
from orchestrator.options import Options
from orchestrator.report import console
from orchestrator.sends import open_deliveries

log = structlog.get_logger(__name__)


def reconcile_sends(
    key: str | None,
    sandbox: bool,
    hive: Path,
    config: Path | None,
    twins_port: int | None,
    *,
    as_json: bool,
) -> int:
    """Ask about all of them, or about one. 1 when some are still unknown or open.

    Raises:
        ConfigError: in the sandbox without the twins that were written to: new ones know nothing.
    """
    if sandbox and twins_port is None:
        raise ConfigError(
            "new twins know nothing of what was sent to others",
            remedy="Give --twins PORT of those that were written to (`swarm sandbox --port PORT`).",
        )
    options = Options(hive=hive, sandbox=sandbox, config_path=config, twins_port=twins_port)
    told = asyncio.run(_reconcile(options, Environment.read(Path(".env")), key))
    if as_json:
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        for one in told["asked"]:
            console().print(f"{one['delivery_id']}: {one['state']}")
        console().print(f"{len(told['asked'])} asked about, {told['open']} still open")
    return 1 if told["open"] else 0


async def _reconcile(options: Options, environment: Environment, key: str | None) -> Json:
    asked: list[Json] = []
    still_open = 0
    async with running_swarm(options, environment) as swarm:
        ids = await swarm.store.query(lambda conn: open_deliveries(conn, key))
        for delivery_id in ids:
            claimed = await swarm.claims.delivery(delivery_id)
            if claimed is not None:  # else somebody is asking already
                name = swarm.engine.untried(f"deliver:{delivery_id}")
                await swarm.engine.run(WORKFLOW, name, delivery_id)
                await swarm.claims.give_back(deliveries=[delivery_id])
            after = await swarm.deliveries.get(delivery_id)
            unknown = after.state is DeliveryState.UNKNOWN
            still_open += unknown or after.not_before is not None
            asked.append(
                {
                    "delivery_id": delivery_id,
                    "state": after.state.value,
                    "reasons": [reason.model_dump(mode="json") for reason in after.reasons],
                }
            )
    return {"asked": asked, "open": still_open}
