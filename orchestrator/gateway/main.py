"""The gateway's composition root. Owns: which parts it has, how they are joined, how it runs.

Nothing else in the gateway constructs a part. Slack is attached when SLACK_BOT_TOKEN is set; each
webhook is open when its secret is. Refuses to start with a secret that can be guessed, with half
a Slack, or on a port that is taken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from starlette.routing import Router

from guardrails.clock import utc_now
from guardrails.errors import StoreUnavailable
from guardrails.heartbeats import Beating, tag_of
from guardrails.store import Store
from orchestrator.environment import Environment
from orchestrator.gateway.app import Parts, build_app
from orchestrator.gateway.attach import attach
from orchestrator.gateway.clicks import Clicks
from orchestrator.gateway.door import Refusals
from orchestrator.gateway.ground import Attachment, Ground, Options, configuration, opened
from orchestrator.gateway.health import Health
from orchestrator.gateway.incoming import Reader
from orchestrator.gateway.intake import Intake
from orchestrator.gateway.leaving import Leaving
from orchestrator.gateway.metrics import Metrics
from orchestrator.gateway.proofs import GhlKey, PathSecret, SlackSecret
from orchestrator.gateway.server import beside
from orchestrator.gateway.spool import Spool
from orchestrator.gateway.unsubscribe import Unsubscribe
from orchestrator.gateway.webhooks import Webhooks
from orchestrator.logs import adopt
from servers.common.listening import bound, serve

log = structlog.get_logger(__name__)
_START_S = 2.0  # that the door waits for the database; RB2B waits 15 for the door
_AGAIN_S = 5.0


@dataclass(frozen=True)
class Open:
    """Where the gateway listens, and which doors are open (True) or lack their variable."""

    host: str
    port: int
    doors: Mapping[str, bool]


def run(options: Options, environment: Environment, ready: Callable[[Open], None]) -> None:
    """Run until a signal.

    Args:
        environment: only the gateway's own variables are looked at.
        ready: called once it listens.

    Raises:
        ConfigError: configuration, hive, a variable, the port, or a newer database.
    """
    asyncio.run(_run(options, environment, ready))


async def _run(options: Options, environment: Environment, ready: Callable[[Open], None]) -> None:
    config = configuration(options)
    rules = config.production.gateway
    with bound(rules.host, rules.port) as listener, opened(options, config, environment) as ground:
        spool = Spool(ground.hive.path / "inbox_spool")
        intake = Intake(ground.store, spool)
        host, port = listener.getsockname()[:2]
        attached = attach(ground, f"http://{host}:{port}")
        beating = Beating(
            ground.store,
            "gateway",
            utc_now,
            config.production.monitor.beat_interval_s,
            lambda: {"spooled_bytes": spool.waiting()} | dict(attached.tell()),
            tag=tag_of(ground.hive, shared=ground.store.dialect == "postgresql"),
        )
        app, clicks, doors = compose(ground, intake, attached, beating)
        database = asyncio.create_task(opened_soon(ground.store))
        try:
            done, _ = await asyncio.wait({database}, timeout=_START_S)
            if done:
                database.result()
            async with beating, beside([intake.keep_absorbing, *attached.background]):
                adopt("uvicorn.error")
                await serve(app, listener, lambda: ready(Open(host, port, doors)))
                await clicks.finish()
        finally:
            database.cancel()
            spool.close()


async def opened_soon(store: Store, again_s: float = _AGAIN_S) -> None:
    """Bring the database to the newest schema as soon as it is there.

    Raises:
        ConfigError: its schema is newer than we know.
    """
    while True:
        try:
            await asyncio.to_thread(store.migrate)
        except StoreUnavailable as error:
            log.warning("database_away", why=error.message)
            await asyncio.sleep(again_s)
        else:
            return


def compose(
    ground: Ground,
    intake: Intake,
    attached: Attachment,
    beating: Beating,
    monotonic: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> tuple[Router, Clicks, dict[str, bool]]:
    """The app, the part of it that must be finished, and which doors are open.

    Args:
        wall: seconds since the epoch, for Slack's signatures.

    Raises:
        ConfigError: a secret or key cannot be one.
    """
    rules, salt, values = ground.config.production.gateway, ground.hive.salt(), ground.values
    refusals = Refusals(rules.per_source_per_minute, monotonic)
    metrics = Metrics(ground.store, ground.clock, intake.spool.waiting, monotonic)
    ghl_key, slack = values.get("GHL_WEBHOOK_PUBLIC_KEY"), values.get("SLACK_SIGNING_SECRET")
    webhooks = Webhooks(
        rules=rules,
        reader=Reader(salt, values.get("GHL_LOCATION_ID")),
        intake=intake,
        refusals=refusals,
        clock=ground.clock,
        rb2b_secret=_secret(values, "RB2B_WEBHOOK_SECRET"),
        instantly_secret=_secret(values, "INSTANTLY_WEBHOOK_SECRET"),
        ghl_secret=_secret(values, "GHL_WEBHOOK_SECRET"),
        ghl_key=GhlKey(ghl_key) if ghl_key else None,
    )
    clicks = Clicks(
        rules, refusals, SlackSecret(slack) if slack else None, attached.interactions, wall
    )
    company = values.get("SENDER_COMPANY")
    left = Leaving(ground.audit).left
    body_s = min(rules.body_timeout_s, 5.0)
    parts = Parts(
        webhooks=webhooks,
        clicks=clicks,
        unsubscribe=Unsubscribe(salt, intake, refusals, ground.clock, company, left, body_s),
        health=Health(ground.hive.path, beating.beat, intake.spool.waiting, metrics, monotonic),
        metrics=metrics,
        refusals=refusals,
    )
    doors = {
        "/webhooks/rb2b/SECRET": webhooks.rb2b_secret is not None,
        "/webhooks/instantly/SECRET": webhooks.instantly_secret is not None,
        "/webhooks/ghl": webhooks.ghl_key is not None,
        "/webhooks/ghl/SECRET": webhooks.ghl_secret is not None,
        "/slack/interactions": bool(slack) and attached.interactions is not None,
        "/unsubscribe/TOKEN": True,
    }
    return build_app(parts), clicks, doors


def _secret(values: Mapping[str, str], name: str) -> PathSecret | None:
    value = values.get(name)
    return PathSecret(name, value) if value else None
