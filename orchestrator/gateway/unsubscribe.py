"""Leaving. Owns: the page behind an unsubscribe link, and the one click of RFC 8058.

Looking changes nothing, however a scanner or mail program looks: only a POST suppresses, at once,
once, and without cookie or login. A link that this hive did not make is not found, and nothing
says why. Refuses to lose anybody who wants to leave: with the database away, the wish is on disk
before it is answered.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files

import structlog
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup  # comes with jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from guardrails.clock import Clock
from guardrails.errors import DiskTrouble, NotFound
from guardrails.unsubscribe import Leaver, leaver
from orchestrator.gateway.bodies import read_known
from orchestrator.gateway.door import Refusals
from orchestrator.gateway.incoming import Incoming
from orchestrator.gateway.intake import Intake, Taken
from orchestrator.inbox import Source

log = structlog.get_logger(__name__)
_ONE_CLICK = b"List-Unsubscribe=One-Click"
_BODY = 4096  # bytes that are looked at
_PAGES = files("orchestrator.gateway") / "pages"
Left = Callable[[Leaver], Awaitable[None]]


class Unsubscribe:
    """The handler of `/unsubscribe/{token}`.

    Args:
        company: who wrote, for the page; None leaves it out.
        left: what else is done at once about somebody who left; it must not raise.
        body_s: how long a body is waited for; what is in it changes nothing but the record.
    """

    def __init__(
        self,
        salt: bytes,
        intake: Intake,
        refusals: Refusals,
        clock: Clock,
        company: str | None,
        left: Left,
        body_s: float,
    ) -> None:
        self._salt = salt
        self._intake = intake
        self._refusals = refusals
        self._clock = clock
        self._from = f" from {company}" if company else ""
        self._left = left
        self._body_s = body_s
        self._page = _Page()

    async def handle(self, request: Request) -> Response:
        """GET and HEAD show, POST suppresses."""
        try:
            who = leaver(self._salt, request.path_params["token"].rstrip("/"))
        except NotFound:
            return self._unknown(request)
        if request.method in ("GET", "HEAD"):
            lines = [f"Press the button and you will get no more e-mail{self._from}."]
            return self._page.show(
                200, f"Unsubscribe from e-mails{self._from}?", lines, "Unsubscribe"
            )
        if request.method != "POST":
            return Response("This link takes GET and POST\n", 405, {"allow": "GET, HEAD, POST"})
        return await self._leave(request, who)

    async def _leave(self, request: Request, who: Leaver) -> Response:
        body = await read_known(request, _BODY, self._body_s)
        via = "one_click" if _ONE_CLICK in body.content else "page"
        wish = {"lead_id": who.lead_id, "subject_hash": who.hashed, "via": via}
        incoming = Incoming(
            f"unsubscribe:{who.lead_id}",
            Source.UNSUBSCRIBE,
            via,
            json.dumps(wish),
            self._clock(),
            lead_id=who.lead_id,
        )
        try:
            taken = await self._intake.take(incoming)
        except DiskTrouble as error:
            log.error("unsubscribe_refused", why=error.message)
            lines = ["We could not note your wish just now. Please press the button again soon."]
            return self._page.show(503, "Please try again", lines, "Try again")
        if taken is not Taken.SPOOLED:  # with the database away, nothing else can be done either
            await self._left(who)
        lines = [f"You will get no more e-mail{self._from}. You can close this page."]
        return self._page.show(200, "You are unsubscribed", lines)

    def _unknown(self, request: Request) -> Response:
        refused = self._refusals.refuse(request, 404, "unsubscribe", "no link of ours")
        if refused.status_code != 404 or request.method not in ("GET", "HEAD"):
            return refused
        lines = [
            "Please open the link again from the e-mail, whole.",
            "Or answer the e-mail with the words “no thanks”: that works just as well.",
        ]
        return self._page.show(404, "This link does not work", lines)


class _Page:
    """Pages without script, image or anything from elsewhere."""

    def __init__(self) -> None:
        self._style = (_PAGES / "page.css").read_text(encoding="utf-8")
        source = (_PAGES / "unsubscribe.html.j2").read_text(encoding="utf-8")
        jinja = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        self._template = jinja.from_string(source)
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self._headers = {
            "cache-control": "no-store",
            "content-security-policy": (
                f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self';"
                " base-uri 'none'; frame-ancestors 'none'"
            ),
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "x-robots-tag": "noindex, nofollow",
        }

    def show(
        self, status: int, title: str, lines: Sequence[str], button: str | None = None
    ) -> Response:
        """One page, with a button that posts to where it stands."""
        # Marked as safe: it is our own file, and its digest is in the policy above.
        html = self._template.render(
            title=title, lines=lines, button=button, style=Markup(self._style)  # noqa: S704
        )  # fmt: skip
        return HTMLResponse(html, status, self._headers)
