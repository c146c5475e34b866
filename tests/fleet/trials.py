"""A fleet under blows: machines die, freeze, are cut off, the database restarts; nothing is lost.

`python -m tests.fleet.trials` (`make fleet-trials`) plays it with 2,000 leads and four machines,
live in the sandbox, and prints what was counted, as a table and last as one line of JSON;
`--markdown FILE` writes the table there, too. Each machine (its queen and her servers) stands in a
network namespace with an address of its own, and reaches the database at the bridge's. It needs
root and iproute2; without them nothing begins, and the exit code is 2.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from guardrails.config import config_path
from servers.sandbox.leads import lead_rows
from tests.fleet.blows import Storm
from tests.fleet.doors import doors
from tests.fleet.judge import Verdict, document_of, judge, report_of
from tests.fleet.machines import Fleet, fleet
from tests.fleet.network import Network, Unable, missing, network
from tests.fleet.network import sweep as network_sweep
from tests.fleet.postgres import TcpPostgres, tcp_postgres
from tests.fleet.postgres import sweep as postgres_sweep
from tests.fleet.told import Plan
from tests.processes.live import TUESDAY, Sandbox, append_rows, known_rows, offset_to, twins

# Enriching so many people costs more than a day's money as it is configured.
MONEY = {"daily_cap_micros": 10**9, "vendor_daily_cap_micros": {"clay": 10**9, "rb2b": 10**9}}
# No call lasts as long as in production, so that a death in the middle of one is known sooner.
BRISK = {"connect": 2, "read": 5, "write": 5, "pool": 5, "total": 15}
_VENDORS = ("ghl", "instantly", "clay", "rb2b")


def main(arguments: Sequence[str] | None = None) -> int:
    """Play it, print the table and a JSON document. 1 when something that must hold did not, 2 when
    this machine cannot do it.
    """
    parser = argparse.ArgumentParser(description="A fleet under blows.")
    parser.add_argument("--leads", type=int, default=2000)
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--per-day", type=int, help="the cap; half of the leads by default")
    parser.add_argument("--every", type=float, default=8.0, help="seconds between two SIGKILLs")
    parser.add_argument("--in-hand", type=int, default=8, help="leads in flight on each machine")
    parser.add_argument("--cut-s", type=float, default=60.0, help="how long one is cut off")
    parser.add_argument(
        "--vendor-ms", type=float, default=0.0,
        help="so long each answer of the vendors takes; keeps a small trial under load",
    )  # fmt: skip
    parser.add_argument("--lease-s", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="kept; a new one by default")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        return _tried(parser.parse_args(arguments))
    except KeyboardInterrupt:
        _say("Ended by hand; what it had made is removed.")
        return 130


def _tried(asked: argparse.Namespace) -> int:
    with ExitStack() as stack:
        try:
            net = _made(stack, asked.machines)
        except Unable as error:
            _say(f"The fleet's trial cannot be played here: {error}.")
            return 2
        folder = asked.folder or Path(tempfile.mkdtemp(prefix="fleet-trials-"))
        folder.mkdir(parents=True, exist_ok=True)
        _say(f"{folder}; seed {asked.seed}; {net.subnet}")
        verdict = played(asked, folder, net)
    table = report_of(verdict)
    sys.stdout.write(f"{table}\n\n{json.dumps(document_of(verdict))}\n")
    if asked.markdown:
        asked.markdown.write_text(table + "\n")
    return 1 if verdict.wrong else 0


def _made(stack: ExitStack, number: int) -> Network:
    """The network, when whatever earlier trials have left is gone. Raises Unable."""
    if lacking := missing():
        raise Unable("; ".join(lacking))
    for name in [*network_sweep(), *postgres_sweep()]:
        _say(f"an earlier trial left {name}: removed")
    return stack.enter_context(network(number))


def played(asked: argparse.Namespace, folder: Path, net: Network) -> Verdict:
    """The whole of it."""
    leads = folder / "leads.csv"
    if not leads.exists():
        known = known_rows(asked.leads)
        append_rows(leads, [*known, *lead_rows(asked.leads - len(known), asked.seed + 4)])
    cap = asked.per_day or asked.leads // 2
    with ExitStack() as stack:
        postgres = stack.enter_context(tcp_postgres(net))
        sandbox = stack.enter_context(twins())
        sandbox.behave(vendor_latency_ms=dict.fromkeys(_VENDORS, asked.vendor_ms))
        ways = stack.enter_context(doors(net.places, sandbox.port))
        machines = stack.enter_context(_fleet(asked, folder, postgres, sandbox, net, cap))
        plan = Plan(asked.seed, asked.every, asked.cut_s, asked.leads, cap, asked.lease_s)
        storm = Storm(machines, ways, plan, leads, _say)
        storm.play()
        return judge(machines, ways, storm.told, plan)


def _interrupted(_number: int, _frame: object) -> None:
    """Told to end: as by Ctrl-C, so that everything is removed."""
    raise KeyboardInterrupt


def _fleet(
    asked: argparse.Namespace,
    folder: Path,
    postgres: TcpPostgres,
    sandbox: Sandbox,
    net: Network,
    cap: int,
) -> AbstractContextManager[Fleet]:
    limits = dict.fromkeys(("per_day", "per_mailbox_day", "per_mailbox_day_hard"), cap)
    limits["per_hour"] = asked.leads
    packaged = json.loads(config_path("production.json").read_text())["vendors"]
    vendors = {name: packaged[name] | {"timeouts": BRISK} for name in ("ghl", "instantly")}
    work = {
        "concurrency": asked.in_hand,
        "lease_seconds": asked.lease_s,
        "lease_renew_seconds": min(5.0, asked.lease_s / 3),
    }
    start = offset_to(TUESDAY, 16, 30)
    return fleet(
        folder, postgres, sandbox, asked.machines, start, limits,
        places=net.places, work=work, spend=MONEY, vendors=vendors,
    )  # fmt: skip


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
