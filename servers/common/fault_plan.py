"""Which fault an attempt gets, if any. Owns: that choice, and when chaos may run at all.

Pure: a hash of seed, site, request and its occurrence decides, never a shared stream of random
numbers, so that neither the order of concurrent calls nor the number of processes changes which
call gets which fault. Refuses: chaos where a real vendor could be written to.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Literal, get_args

from guardrails.config.models import FailureInjection, Production
from guardrails.errors import ConfigError
from guardrails.model import Mode

# What one attempt at a vendor can get.
HttpFault = Literal[
    "timeout_before",  # the request never left, and we waited in vain
    "timeout_after",  # the vendor acted, and its answer was lost
    "reset",  # the connection broke: half of them before sending, half after
    "http_429",  # the vendor's limit, with and without a Retry-After
    "http_500",  # the vendor's own error
    "http_503",  # the vendor is down
    "slow",  # an answer in time, but late
    "truncated_json",  # the connection broke in the middle of the answer
    "malformed_json",  # a whole answer that says it is JSON and is not
    "created_422",  # the vendor acted, and says that it refused
]
# What happens to our own processes and files: a campaign does these from outside.
ProcessFault = Literal["server_killed", "server_hung", "database_locked", "disk_full", "torn_bank"]
# What comes in from a vendor unasked. The gateway receives those; here no attempt can get it.
GatewayFault = Literal["duplicate_webhook"]

HTTP_FAULTS: tuple[HttpFault, ...] = get_args(HttpFault)
PROCESS_FAULTS: tuple[ProcessFault, ...] = get_args(ProcessFault)
GATEWAY_FAULTS: tuple[GatewayFault, ...] = get_args(GatewayFault)

_SPAN = 2.0**53  # as many bits as a float holds: more would round up to 1.0


class FaultPlan:
    """The faults of one configuration. Equal configurations give equal plans, on any machine."""

    def __init__(self, config: FailureInjection) -> None:
        self._seed = config.seed
        self._rate = config.rate if config.enabled else 0.0
        allowed = set(config.faults)
        self.allowed: tuple[HttpFault, ...] = tuple(f for f in HTTP_FAULTS if f in allowed)
        self._targets: defaultdict[tuple[str, str], list[HttpFault]] = defaultdict(list)
        for target in config.targets if config.enabled else ():
            if target.fault in HTTP_FAULTS:  # the others are a campaign's to do
                self._targets[target.lead_id, target.site].append(target.fault)

    def fault_for(
        self,
        site: str,
        request_identity: str,
        occurrence: int,
        lead_id: str | None,
        *,
        visit: int | None = None,
    ) -> HttpFault | None:
        """The fault of this attempt, or None.

        Args:
            site: `vendor.operation`.
            request_identity: what makes two requests the same one, without secrets.
            occurrence: how often this lead has made this request, this time included.
            lead_id: whose work it is, when known.
            visit: how often this lead has passed this site with any request, this time included;
                `occurrence` when not given. Targets look at it: the first visit of a targeted
                lead gets the target's fault, and with several targets for one lead and site the
                n-th visit gets the n-th fault. They need no rate and are not bound by `faults`.
        """
        targets = self._targets.get((lead_id, site)) if lead_id is not None else None
        nth = occurrence if visit is None else visit
        if targets and 1 <= nth <= len(targets):
            return targets[nth - 1]
        if not self.allowed or self.draw("hit", site, request_identity, occurrence) >= self._rate:
            return None
        at = self.draw("which", site, request_identity, occurrence) * len(self.allowed)
        return self.allowed[min(int(at), len(self.allowed) - 1)]

    def draw(self, purpose: str, site: str, request_identity: str, occurrence: int) -> float:
        """A number in [0, 1) that depends on the arguments and the seed alone.

        Draws of different purposes are independent of each other.
        """
        parts = (str(self._seed), purpose, site, request_identity, str(occurrence))
        digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) / _SPAN


def require_injection_allowed(production: Production, sandbox: bool) -> None:
    """Return when failure injection is off, or on where nothing real can be written.

    Raises:
        ConfigError: it is on, the mode is not shadow, and the vendors are no twins.
    """
    if production.failure_injection.enabled and production.mode is not Mode.SHADOW and not sandbox:
        raise ConfigError(
            f"failure_injection is enabled and the mode is {production.mode}: "
            "faults are never put among real sends",
            remedy="Set failure_injection.enabled to false in config/production.json, or run in "
            "shadow mode or with --sandbox.",
        )
