"""What vendors deliver. Owns: who may, and that every authentic delivery is kept before its answer.

RB2B asks for exactly 200 within 15 s and never tries again: whatever is authentic gets it, junk,
copies and torn bodies included, and 503 only when neither the database nor the disk takes it. The
others try again, so a body that is too large or too slow gets 413 or 408 there. Junk gets 200
from all: trying again would not mend it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from starlette.requests import Request
from starlette.responses import Response

from guardrails.clock import Clock
from guardrails.config.models.people import GatewayRules
from guardrails.errors import DiskTrouble
from orchestrator.gateway.bodies import STATUS, Body, BodyFault, Budget, read_known, read_unknown
from orchestrator.gateway.door import Refusals, plain
from orchestrator.gateway.incoming import Incoming, Reader
from orchestrator.gateway.intake import Intake, Taken
from orchestrator.gateway.proofs import GhlKey, PathSecret
from orchestrator.inbox import Source

log = structlog.get_logger(__name__)
_TEXT = {
    BodyFault.TOO_LARGE: "the body is larger than gateway.max_body_bytes",
    BodyFault.TOO_SLOW: "the body did not come whole in gateway.body_timeout_s",
    BodyFault.CUT_OFF: "the sender went away in the middle of the body",
    BodyFault.CROWDED: "too many unchecked bodies at once",
}
Read = Callable[[bytes, datetime], Incoming]


@dataclass(frozen=True)
class Webhooks:
    """The handlers of `/webhooks/...`. A door whose proof is None is closed: 404."""

    rules: GatewayRules
    reader: Reader
    intake: Intake
    refusals: Refusals
    clock: Clock
    rb2b_secret: PathSecret | None = None
    instantly_secret: PathSecret | None = None
    ghl_secret: PathSecret | None = None
    ghl_key: GhlKey | None = None
    budget: Budget = field(default_factory=lambda: Budget(64 * 1024 * 1024))

    async def rb2b(self, request: Request) -> Response:
        """A visitor: 200 for everything that knows the secret."""
        if refused := self._refused(request, "rb2b", self.rb2b_secret):
            return refused
        body = await self._known(request)
        return await self._keep(self._visitor(body))

    async def instantly(self, request: Request) -> Response:
        """What became of an e-mail."""
        return await self._secret(
            request, "instantly", self.instantly_secret, self.reader.instantly
        )

    async def ghl_workflow(self, request: Request) -> Response:
        """A workflow's custom webhook, which nobody signs: the secret in its URL is the proof."""
        return await self._secret(request, "ghl", self.ghl_secret, self.reader.ghl_workflow)

    async def ghl(self, request: Request) -> Response:
        """A Marketplace app's webhook, signed over its raw body."""
        signature = request.headers.get("x-ghl-signature")
        if self.ghl_key is None or request.method != "POST":
            return self.refusals.refuse(request, 404, "ghl", "no key is set, or no POST")
        if not signature or signature == "N/A":
            return self.refusals.refuse(request, 401, "ghl", "no Ed25519 signature")
        body = await read_unknown(
            request, self.rules.max_body_bytes, self.rules.body_timeout_s, self.budget
        )
        if body.fault is not None:
            return self.refusals.refuse(request, STATUS[body.fault], "ghl", _TEXT[body.fault])
        if not self.ghl_key.signed(body.content, signature):
            return self.refusals.refuse(request, 401, "ghl", "the signature does not hold")
        return await self._keep(self.reader.ghl(body.content, self.clock()))

    def _visitor(self, body: Body) -> Incoming:
        at = self.clock()
        try:
            if body.fault is None:
                return self.reader.rb2b(body.content, at)
            why = _TEXT[body.fault]
        except Exception:  # a defect of ours must not cost the integration: kept to be looked at
            log.exception("visitor_not_read")
            why = "our own code stumbled over it: see logs/gateway.log"
        return self.reader.torn(Source.RB2B, body.content, at, why)

    async def _secret(
        self, request: Request, route: str, secret: PathSecret | None, read: Read
    ) -> Response:
        if refused := self._refused(request, route, secret):
            return refused
        body = await self._known(request)
        if body.fault is not None:
            log.warning("body_not_whole", route=route, why=body.fault.value)
            return plain(STATUS[body.fault])
        return await self._keep(read(body.content, self.clock()))

    def _refused(self, request: Request, route: str, secret: PathSecret | None) -> Response | None:
        given = request.path_params["secret"].rstrip("/")
        if secret is None or not secret.matches(given):
            return self.refusals.refuse(request, 404, route, "wrong secret, or none is set")
        if request.method != "POST":
            return Response("This webhook takes POST\n", 405, {"allow": "POST"})
        return None

    async def _known(self, request: Request) -> Body:
        return await read_known(request, self.rules.max_body_bytes, self.rules.body_timeout_s)

    async def _keep(self, incoming: Incoming) -> Response:
        try:
            taken = await self.intake.take(incoming)
        except DiskTrouble as error:
            log.error("delivery_refused", source=incoming.source.value, why=error.message)
            return Response("Cannot be stored now\n", 503, {"retry-after": "30"})
        if incoming.junk is not None and taken is Taken.NEW:
            log.warning("junk", source=incoming.source.value, id=incoming.id, why=incoming.junk)
        return plain(200)
