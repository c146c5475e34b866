"""A fleet under blows: machines die, freeze, are cut off, the database restarts; nothing is lost.

`python -m tests.fleet.trials` (`make fleet-trials`) plays it with 2,000 leads and four machines,
live in the sandbox, and prints what was counted; `--markdown FILE` writes the table there, too. The
twins stand on this machine; each machine's way to the database is a proxy that can go silent.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from guardrails.config import config_path
from servers.sandbox.leads import lead_rows
from tests.fleet.blows import Plan, Storm
from tests.fleet.judge import Verdict, judge, report_of
from tests.fleet.machines import Fleet, fleet
from tests.fleet.partition import Partition, way_to
from tests.fleet.postgres import TcpPostgres, tcp_postgres
from tests.processes.live import TUESDAY, Sandbox, append_rows, known_rows, offset_to, twins

# Enriching so many people costs more than a day's money as it is configured.
MONEY = {"daily_cap_micros": 10**9, "vendor_daily_cap_micros": {"clay": 10**9, "rb2b": 10**9}}
# No call lasts as long as in production, so that a death in the middle of one is known sooner.
BRISK = {"connect": 2, "read": 5, "write": 5, "pool": 5, "total": 15}


def main(arguments: Sequence[str] | None = None) -> int:
    """Play it, print the table. 1 when something that must hold did not."""
    parser = argparse.ArgumentParser(description="A fleet under blows.")
    parser.add_argument("--leads", type=int, default=2000)
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--per-day", type=int, help="the cap; half of the leads by default")
    parser.add_argument("--every", type=float, default=8.0, help="seconds between two SIGKILLs")
    parser.add_argument("--in-hand", type=int, default=8, help="leads in flight on each machine")
    parser.add_argument("--cut-s", type=float, default=60.0, help="how long one is cut off")
    parser.add_argument("--lease-s", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="kept; a new one by default")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    asked = parser.parse_args(arguments)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="fleet-trials-"))
    folder.mkdir(parents=True, exist_ok=True)
    _say(f"{folder}; seed {asked.seed}")
    verdict = played(asked, folder)
    table = report_of(verdict)
    sys.stdout.write(table + "\n")
    if asked.markdown:
        asked.markdown.write_text(table + "\n")
    return 1 if verdict.wrong else 0


def played(asked: argparse.Namespace, folder: Path) -> Verdict:
    """The whole of it."""
    leads = folder / "leads.csv"
    if not leads.exists():
        known = known_rows(asked.leads)
        append_rows(leads, [*known, *lead_rows(asked.leads - len(known), asked.seed + 4)])
    cap = asked.per_day or asked.leads // 2
    with ExitStack() as stack:
        postgres = stack.enter_context(tcp_postgres())
        sandbox = stack.enter_context(twins())
        ways = [stack.enter_context(way_to(postgres.port)) for _ in range(asked.machines)]
        machines = stack.enter_context(_fleet(asked, folder, postgres, sandbox, ways, cap))
        plan = Plan(asked.seed, asked.every, asked.cut_s, asked.leads, cap, asked.lease_s)
        storm = Storm(machines, plan, leads, _say)
        storm.play()
        return judge(machines, storm.told, asked.leads, cap)


def _fleet(
    asked: argparse.Namespace,
    folder: Path,
    postgres: TcpPostgres,
    sandbox: Sandbox,
    ways: list[Partition],
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
        folder, postgres, sandbox, asked.machines, start, limits, ways,
        work=work, spend=MONEY, vendors=vendors,
    )  # fmt: skip


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
