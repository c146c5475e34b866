"""One process in which all twins answer. Owns: the mounts, the control paths, ready and end.

`/ghl /instantly /clay /rb2b /gdelt /google_news /slack /supabase` are the twins, `/_twin/...` is
for whoever started the sandbox: counts, log, arrivals, outbox, reset, health, env, behaviour,
clock. Listens on 127.0.0.1 only; needs no key of anybody, and its own keys open nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
import uvicorn
from pydantic import ValidationError

from guardrails.clock import Clock, utc_now
from guardrails.config.loader import describe
from servers.enricher import twin_clay, twin_rb2b
from servers.enricher.twin_clay import ClayTwin
from servers.enricher.twin_news import GdeltTwin, GoogleNewsTwin
from servers.enricher.twin_rb2b import Rb2bTwin
from servers.ghl import twin_door
from servers.ghl.twin import GhlTwin
from servers.ghl.twin_records import LOCATION_ID
from servers.instantly import twin_lookups as twin_instantly
from servers.instantly.twin import InstantlyTwin
from servers.sandbox import twin_slack_records as twin_slack
from servers.sandbox import twin_supabase
from servers.sandbox.asgi import Gone, Receive, Reply, Scope, Send, read_body, reply, send_reply
from servers.sandbox.behaviour import Behaviour
from servers.sandbox.outbox import outbox
from servers.sandbox.twin_slack import SlackTwin
from servers.sandbox.twin_supabase import SupabaseTwin
from servers.sandbox.wire import Call, Site, Twin
from servers.sandbox.world import DEFAULT_SEED, World

TWINS: tuple[type[Twin], ...] = (
    GhlTwin,
    InstantlyTwin,
    ClayTwin,
    Rb2bTwin,
    GdeltTwin,
    GoogleNewsTwin,
    SlackTwin,
    SupabaseTwin,
)
_GRACE_S = 1


def environment(port: int) -> dict[str, str]:
    """What a server needs in its environment to talk to this sandbox instead of the vendors."""
    base = f"http://127.0.0.1:{port}"
    urls = {
        f"{twin.vendor.upper()}_BASE_URL": f"{base}/{twin.vendor}"
        for twin in TWINS
        if twin is not SupabaseTwin
    }
    return urls | {
        "GHL_PROD_API_KEY": twin_door.TOKEN,
        "GHL_LOCATION_ID": LOCATION_ID,
        "INSTANTLY_API_KEY": twin_instantly.KEY,
        "CLAY_API_KEY": twin_clay.KEY,
        "CLAY_ROUTINE_ID": twin_clay.ROUTINE_ID,
        "RB2B_API_KEY": twin_rb2b.KEY,
        "SUPABASE_URL": f"{base}/{SupabaseTwin.vendor}",
        "SUPABASE_KEY": twin_supabase.SECRET_KEY,
        "SLACK_WEBHOOK_URL": f"{urls['SLACK_BASE_URL']}{twin_slack.WEBHOOK_PATH}",
        "SLACK_BOT_TOKEN": twin_slack.BOT_TOKEN,
        "SLACK_SIGNING_SECRET": twin_slack.SIGNING_SECRET,
        "SLACK_APP_ID": twin_slack.APP_ID,
        "SLACK_TEAM_ID": twin_slack.TEAM_ID,
        "SLACK_CHANNEL_ID": twin_slack.CHANNEL_ID,
        "SLACK_APPROVER_IDS": ",".join(twin_slack.APPROVER_IDS),
    }


@dataclass
class SandboxClock:
    """A clock, set off. One object for good, since the twins keep it."""

    clock: Clock
    ahead: timedelta

    def __call__(self) -> datetime:
        """The sandbox's now."""
        return self.clock() + self.ahead


class Sandbox:
    """The ASGI app: a path's first segment names the twin."""

    def __init__(self, site: Site, offset_s: float = 0.0) -> None:
        self.site = site
        self._clock = site.clock = SandboxClock(site.clock, timedelta(seconds=offset_s))
        self.port = 0  # where it listens, once it does
        self.twins = {twin.vendor: twin(site) for twin in TWINS}
        self._control: dict[tuple[str, str], Callable[[Call], Reply]] = {
            ("GET", "counts"): lambda call: reply(200, site.counters.report()),
            ("GET", "log"): self._log,
            ("GET", "arrivals"): lambda call: reply(200, site.arrivals.per_second()),
            ("GET", "outbox"): lambda call: reply(200, outbox(self.twins.values())),
            ("GET", "health"): self._health,
            ("GET", "env"): lambda call: reply(200, environment(self.port)),
            ("GET", "behaviour"): self._switches,
            ("POST", "reset"): self._reset,
            ("POST", "behaviour"): self._behave,
            ("POST", "clock"): self._set_off,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(Gone):
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, first, *rest = scope["path"].split("/", 2)
        if scope["type"] != "http" and not (scope["type"] == "websocket" and first == "slack"):
            raise RuntimeError("the sandbox speaks HTTP, and Slack's WebSocket")
        if twin := self.twins.get(first):
            root = f"{scope.get('root_path', '')}/{first}"
            await twin({**scope, "root_path": root}, receive, send)
            return
        query, body = scope["query_string"], await read_body(receive)
        call = Call(scope["method"], "/".join(rest), query, (), body)
        handler = self._control.get((call.method, call.path)) if first == "_twin" else None
        unknown = reply(404, {"error": f"no twin and no control at {scope['path']}"})
        await send_reply(handler(call) if handler else unknown, send)

    def _health(self, call: Call) -> Reply:
        status = {"status": "ok", "seed": self.site.world.seed, "vendors": list(self.twins)}
        return reply(200, status | {"behaviour": self.site.behaviour.model_dump()})

    def _log(self, call: Call) -> Reply:
        """`?vendor=V&since=EPOCH`: `[[epoch seconds, vendor, method, template, status], …]`."""
        vendor = call.query.get("vendor")
        try:
            since = float(call.query.get("since", "0"))
        except ValueError:
            return reply(422, {"error": "since must be a number of epoch seconds"})
        if vendor is not None and vendor not in self.twins:
            return reply(422, {"error": f"vendor must be one of {', '.join(self.twins)}"})
        return reply(200, self.site.arrivals.lines(vendor, since))

    def _reset(self, call: Call) -> Reply:
        self.site.counters.reset()
        self.site.arrivals.reset()
        for twin in self.twins.values():
            twin.reset()
        return reply(200, {"status": "reset"})

    def _set_off(self, call: Call) -> Reply:
        """`{"offset_s": SECONDS}`: how far ahead of the wall the sandbox's clock is from now on."""
        try:
            offset_s = float(call.json()["offset_s"])
        except (ValueError, TypeError, KeyError):
            return reply(422, {"error": "offset_s must be a number of seconds"})
        self._clock.ahead = timedelta(seconds=offset_s)
        return reply(200, {"offset_s": offset_s})

    def _switches(self, call: Call) -> Reply:
        """Every switch with its value and what it does."""
        values = self.site.behaviour.model_dump()
        about = {name: field.description for name, field in Behaviour.model_fields.items()}
        return reply(200, {n: {"value": values[n], "about": about[n]} for n in values})

    def _behave(self, call: Call) -> Reply:
        """Change the named switches; the others stay. Unknown names are refused."""
        try:
            wanted = call.json()
            if isinstance(wanted, dict):
                wanted = self.site.behaviour.model_dump() | wanted
            self.site.behaviour = Behaviour.model_validate(wanted)
        except ValidationError as error:
            return reply(422, {"error": describe(error)})
        except ValueError:
            return reply(422, {"error": "the body is not JSON"})
        return reply(200, self.site.behaviour.model_dump())


@dataclass(frozen=True)
class Options:
    """How to host a sandbox."""

    port: int = 0  # 0: any free one
    seed: int = DEFAULT_SEED
    behaviour: Behaviour = field(default_factory=Behaviour)
    watch_stdin: bool = False
    offset_s: float = 0.0  # how far ahead of the wall its clock is


class _Server(uvicorn.Server):
    """Says once on stdout that it is ready; stdout carries nothing else."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()


def build(seed: int, behaviour: Behaviour, offset_s: float = 0.0) -> Sandbox:
    """The app over a fresh world and the wall clock, set off by so many seconds."""
    return Sandbox(Site(World(seed), utc_now, behaviour), offset_s)


def host(options: Options) -> None:
    """Serve until told to stop (a signal, or stdin closing when it is watched).

    Raises:
        OSError: the port is taken.
    """
    # asyncio sets TCP_NODELAY only on sockets that state their protocol; without it every answer
    # waits 40 ms for a delayed ACK.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", options.port))
        port = listener.getsockname()[1]
        app = build(options.seed, options.behaviour, options.offset_s)
        app.port = port
        server = _Server(_config(app), lambda: _announce(port))
        asyncio.run(_serve(server, listener, watch_stdin=options.watch_stdin))


def _config(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="auto",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_S,
    )


async def _serve(server: uvicorn.Server, listener: socket.socket, *, watch_stdin: bool) -> None:
    if watch_stdin:
        loop = asyncio.get_running_loop()

        def end() -> None:
            server.should_exit = True

        # A thread, because stdin may be a file or a terminal, which the loop cannot watch; os.read,
        # because a thread inside sys.stdin would hold its lock while the interpreter ends.
        def watch() -> None:
            while os.read(0, 4096):
                pass
            loop.call_soon_threadsafe(end)

        threading.Thread(target=watch, name="stdin-watch", daemon=True).start()
    await server.serve(sockets=[listener])


def _announce(port: int) -> None:
    line = orjson.dumps({"port": port, "env": environment(port)}).decode()
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
