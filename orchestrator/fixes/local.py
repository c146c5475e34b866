"""Diagnoses of this machine and its surroundings: network, disk, database, processes, leads."""

from __future__ import annotations

from guardrails.brakes.failures import Cluster
from orchestrator.fixes.finding import NO_PATCH, Finding, Setting, replacing, said, vendor_name

_SPACE = r"no space left|disk (?:is )?full|disk quota|database or disk is full"
_DIED = ("server_died", "server_hung", "tool_crashed", "lead_crashed")


def no_address(cluster: Cluster, setting: Setting) -> Finding | None:
    """The vendor's name does not resolve."""
    if cluster.kind != "dns" or cluster.vendor is None:
        return None
    return _unreachable(
        cluster, setting, "dns", "does not resolve",
        "Check this machine's DNS and network (is any other name found?).",
    )  # fmt: skip


def bad_certificate(cluster: Cluster, setting: Setting) -> Finding | None:
    """No trusted TLS connection."""
    if cluster.kind != "tls" or cluster.vendor is None:
        return None
    return _unreachable(
        cluster, setting, "tls", "has no certificate that we can trust",
        "Check this machine's clock, and whether a proxy opens TLS on the way. "
        "Verification is never switched off.",
    )  # fmt: skip


def _unreachable(cluster: Cluster, setting: Setting, name: str, how: str, step: str) -> Finding:
    path = f"/vendors/{cluster.vendor}/base_url"
    now, delivered = setting.at(path), setting.delivered(path)
    moved = now != delivered and delivered is not None
    variable = f"{str(cluster.vendor).upper()}_BASE_URL"
    reason = (
        f"The address is not the delivered one ({delivered})."
        if moved
        else "The address is the delivered one: the trouble is on the way to it."
    )
    return Finding(
        diagnosis=name,
        subject=str(cluster.vendor),
        title=f"{vendor_name(cluster)}: the address {how}",
        text=f"{now} {how}: {'; '.join(cluster.details[:1])}. {reason}",
        patch=replacing(setting, path, delivered) if moved else (),
        steps=(step, f"If {variable} is set in .env, it counts instead of the configuration."),
        expected=f"Calls go to {delivered} again." if moved else NO_PATCH,
        not_measurable="not measurable: the twins listen on this machine, without DNS and TLS",
    )


def disk_full(cluster: Cluster, setting: Setting) -> Finding | None:
    """No room, or no right, to write."""
    if cluster.kind not in ("disk", "store", "audit", "bank") or not (
        cluster.kind == "disk" or said(cluster, _SPACE)
    ):
        return None
    return Finding(
        diagnosis="disk_full",
        subject="disk",
        title="The hive's disk is full or cannot be written",
        text="Files of the hive cannot be written. Nothing is decided without its record, so "
        "the run halts where it is and loses nothing.",
        steps=(
            "`df -h` on the hive's directory: free space, or move the hive to a larger disk.",
            "Old runs' logs (logs/, shadow_logs/<run>/) and campaign reports (chaos/) may be "
            "deleted; audit/, keys/, swarm.db and reasoning_bank.json never.",
            "Start the same command again: it goes on where it stopped.",
        ),
        expected=NO_PATCH,
        not_measurable="not measurable: free space is not configuration",
    )


def broken_state(cluster: Cluster, setting: Setting) -> Finding | None:
    """Database, bank or audit cannot be used."""
    if cluster.kind not in ("store", "bank", "audit") or said(cluster, _SPACE):
        return None
    steps = {
        "store": "Check who holds the database (a backup, another program), or that the "
        "PostgreSQL server of SWARM_DATABASE_URL is up.",
        "bank": "Restore .hive-mind/reasoning_bank.json from the backup beside it.",
        "audit": "Run `swarm audit verify`: it names the first record that does not hold.",
    }
    return Finding(
        diagnosis="broken_state",
        subject=cluster.kind,
        title=f"The {'database' if cluster.kind == 'store' else cluster.kind} cannot be used",
        text="While it cannot be read or written, every decision is no: leads wait.",
        steps=(steps[cluster.kind], "Start the same command again."),
        expected=NO_PATCH,
        not_measurable="not measurable: no configuration is at fault",
    )


def poisoned_lead(cluster: Cluster, setting: Setting) -> Finding | None:
    """One lead that fails every time, while the others pass."""
    if cluster.kind not in _DIED or cluster.leads != 1 or len(cluster.lead_ids) != 1:
        return None
    if cluster.count < int(setting.at("/work/quarantine_after")):
        return None
    lead = cluster.lead_ids[0]
    return Finding(
        diagnosis="poisoned_lead",
        subject=lead,
        title=f"Lead {lead} always fails",
        text=f"{cluster.server} {cluster.operation} failed {cluster.count} times, always with "
        "this lead. Left alone, it cannot take a server down for the others.",
        steps=(
            f"Look at its data (`swarm explain {lead}`) and report the defect.",
            f"After it is mended: `swarm quarantine release {lead}`.",
        ),
        quarantine=lead,
        expected="The lead is left alone; the others are not disturbed by it.",
        not_measurable="not measurable: the lead's own data make it fail, and stay here",
    )


def dying_server(cluster: Cluster, setting: Setting) -> Finding | None:
    """A server process that ends, hangs or has a defect, whichever the lead."""
    if cluster.kind not in _DIED or cluster.leads == 1:
        return None
    hangs = cluster.kind == "server_hung"
    return Finding(
        diagnosis="dying_server",
        subject=f"{cluster.server} {cluster.kind}",
        title=f"Server {cluster.server} {'hangs' if hangs else 'fails'}",
        text=f"{cluster.operation}: {cluster.leads} leads saw it. The queen restarts it and "
        "asks again where that is safe.",
        steps=(
            f"Read .hive-mind/logs/{cluster.server}.log.",
            "Check free memory: a process killed by the system leaves no last words.",
        ),
        expected=NO_PATCH,
        not_measurable="not measurable: no configuration is at fault",
    )
