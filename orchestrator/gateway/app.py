"""The gateway's routes. Owns: which path leads to which handler.

One ASGI app over parts that somebody else has made: nothing here opens a file, a database or a
socket. Refuses trailing-slash redirects: a 307 would cost RB2B's integration.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from orchestrator.gateway.clicks import Clicks
from orchestrator.gateway.door import Door, Handler, Refusals
from orchestrator.gateway.health import Health
from orchestrator.gateway.metrics import Metrics
from orchestrator.gateway.unsubscribe import Unsubscribe
from orchestrator.gateway.webhooks import Webhooks


@dataclass(frozen=True)
class Parts:
    """What the routes are made of."""

    webhooks: Webhooks
    clicks: Clicks
    unsubscribe: Unsubscribe
    health: Health
    metrics: Metrics
    refusals: Refusals


def build_app(parts: Parts) -> Router:
    """The app. `{secret:path}` takes slashes too, so that no odd path is answered differently."""

    def door(path: str, route: str, handler: Handler) -> Route:
        return Route(path, Door(route, handler, parts.metrics))

    async def nothing(request: Request) -> Response:
        return parts.refusals.refuse(request, 404, "other", "no such path")

    async def icon(_request: Request) -> Response:
        return Response(status_code=204)  # every browser on an unsubscribe page asks for it

    hooks, health = parts.webhooks, parts.health
    routes = [
        door("/webhooks/rb2b/{secret:path}", "rb2b", hooks.rb2b),
        door("/webhooks/instantly/{secret:path}", "instantly", hooks.instantly),
        door("/webhooks/ghl", "ghl", hooks.ghl),
        door("/webhooks/ghl/{secret:path}", "ghl", hooks.ghl_workflow),
        door("/slack/interactions", "slack", parts.clicks.handle),
        door("/unsubscribe/{token:path}", "unsubscribe", parts.unsubscribe.handle),
        door("/favicon.ico", "icon", icon),
        door("/healthz", "healthz", health.healthz),
        door("/readyz", "readyz", health.readyz),
        door("/metrics", "metrics", health.metrics),
    ]
    return Router(routes, redirect_slashes=False, default=Door("other", nothing, parts.metrics))
