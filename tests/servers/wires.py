"""Stand-ins for the network, and clients over them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
from pydantic import SecretStr

from guardrails.brakes.brakes import Gatekeeper
from guardrails.brakes.desk import CallEnd, Request
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.vendor_state import Granted
from guardrails.clock import utc_now
from guardrails.config.models import VendorConfig
from guardrails.hive import Hive
from guardrails.model import Mode, WriteIntent
from guardrails.permits import Bound, Permit
from guardrails.store import Store
from servers.common.fault_plan import FaultPlan
from servers.common.http import VendorClient, open_client
from servers.common.http_permit import WriteDesk, intent_of
from servers.common.operations import Operation
from servers.common.safety import Safety
from servers.sandbox.behaviour import Behaviour
from servers.sandbox.host import Sandbox, build, environment
from servers.sandbox.world import DEFAULT_SEED

BASE = "https://vendor.example/api"
CONFIG = VendorConfig.model_validate(
    {
        "base_url": BASE,
        "timeouts": {"connect": 1, "read": 1, "write": 1, "pool": 1, "total": 30},
        "limits": {"requests": 10, "per_seconds": 1},
        "max_attempts": 3,
    }
)
Step = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class ScriptedWire(httpx.AsyncBaseTransport):
    """Answers with the given steps in turn, the last one for ever; keeps what it was asked."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.seen.append(request)
        step = self.steps[min(len(self.seen), len(self.steps)) - 1]
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return httpx.Response(step.status_code, headers=step.headers, content=step.content)
        return step(request)

    def bodies(self) -> list[Any]:
        """The JSON bodies it was sent."""
        return [orjson.loads(request.content) for request in self.seen]


class Naps:
    """A sleep that returns at once and remembers how long it was asked to sleep."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


class FreeBrakes:
    """A gatekeeper that lets everybody through and remembers what it was asked and told."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.told: list[CallEnd] = []

    async def admit(self, request: Request) -> Granted:
        self.asked.append(request)
        return Granted(0.0, is_probe=False)

    def tell(self, end: CallEnd) -> None:
        self.told.append(end)


PRICES = {"clay": {"run_routine": 100_000}, "rb2b": {"lookup": 20_000}, "ghl": {"paid": 1000}}


class FreeDesk:
    """Stands for permits and ledger: every permit is good; remembers what was asked and told.

    For tests of adapters. That bad permits are refused is tested over the real parts
    (tests/promises/test_p01_*, tests/servers/common/test_http_permit.py).
    """

    def __init__(self) -> None:
        self.asked: list[Bound] = []
        self.dispatched: list[str] = []
        self.ended: list[tuple[str, str]] = []  # key, status
        self.told: list[dict[str, Any]] = []  # vendor_ref, result, note

    def desk(self) -> WriteDesk:
        """What `Safety.writes` takes."""
        own = cast(Any, self)
        return WriteDesk(check=own, ledger=own, store=own, salt=b"s" * 32, policy_version="p-1")

    async def verify_and_spend(self, token: str, expected: Bound, also: Any = None) -> Permit:
        """See `PermitCheck`."""
        self.asked.append(expected)
        now = int(utc_now().timestamp())
        permit = Permit(
            **expected.model_dump(), bank_version="b-1", stop_epoch=0, jti="P-1",
            audit_id="A-1", audit_hash="0" * 64, iat=now, exp=now + 300,
        )  # fmt: skip
        also(None, permit)
        return permit

    async def require_still_good(self, permit: Permit, to: str | None = None) -> None:
        """It always is."""

    def require_still_good_here(self, permit: Permit) -> None:
        """It always is."""

    async def run(self, call: Callable[[Any], Any]) -> Any:
        """See `Store`."""
        return call(None)

    def dispatch(self, _conn: Any, key: str, _permit: Permit) -> None:
        """See `Ledger`."""
        self.dispatched.append(key)

    def end(self, _conn: Any, key: str, status: str, **told: Any) -> None:
        """See `Ledger`."""
        self.ended.append((key, status))
        self.told.append(told)


def bound_intent(
    operation: Operation, request: httpx.Request, vendor: str = "ghl", base: str = BASE
) -> WriteIntent:
    """What the permit layer reads from a request that left: must equal `args.intent()`.

    Raises:
        Refused: as the layer would.
    """
    return intent_of(vendor, httpx.URL(base), operation, request)


def safety_with(
    brakes: Gatekeeper | None = None,
    plan: FaultPlan | None = None,
    store: Store | None = None,
    writes: WriteDesk | None = None,
) -> Safety:
    """What a client is opened over; without a store nothing is written anywhere."""
    hive = Hive(Path("/nonexistent"), sandbox=True)
    some = cast(Store, store)
    tracker = FailureTracker(some, hive, utc_now, "test")
    return Safety(hive, some, brakes or FreeBrakes(), tracker, PRICES, plan, writes=writes)


def answer(status: int = 200, body: Any = None, **headers: str) -> httpx.Response:
    """A JSON answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={} if body is None else body, headers=named)


def client_over(
    wire: httpx.AsyncBaseTransport,
    operations: Sequence[Operation],
    *,
    mode: Mode = Mode.SHADOW,
    config: VendorConfig = CONFIG,
    base: str = BASE,
    vendor: str = "ghl",
    keys: dict[str, str] | None = None,
    sleep: Naps | None = None,
    safety: Safety | None = None,
) -> VendorClient:
    """A client as an adapter gets it, over `wire`; it never really sleeps."""
    return open_client(
        vendor,
        config,
        base,
        operations,
        mode,
        safety or safety_with(),
        keys={name: SecretStr(value) for name, value in (keys or {}).items()},
        wire=wire,
        sleep=sleep or Naps(),
        rng=random.Random(1),
    )


def sandbox(**behaviour: Any) -> Sandbox:
    """All twins, in memory."""
    return build(DEFAULT_SEED, Behaviour(**behaviour))


def twin_client(
    app: Sandbox,
    vendor: str,
    operations: Sequence[Operation],
    *,
    mode: Mode = Mode.SHADOW,
    safety: Safety | None = None,
) -> VendorClient:
    """A client of one twin, with the key that it accepts.

    To write: `mode=Mode.LIVE, safety=safety_with(writes=FreeDesk().desk())`.
    """
    env = environment(1)
    header = {
        "ghl": ("Authorization", f"Bearer {env['GHL_PROD_API_KEY']}"),
        "instantly": ("Authorization", f"Bearer {env['INSTANTLY_API_KEY']}"),
        "clay": ("clay-api-key", env["CLAY_API_KEY"]),
        "rb2b": ("Api-Key", env["RB2B_API_KEY"]),
    }.get(vendor)
    return client_over(
        httpx.ASGITransport(app),
        operations,
        mode=mode,
        base=f"http://127.0.0.1/{vendor}",
        vendor=vendor,
        keys=dict([header]) if header else {},
        safety=safety,
    )
