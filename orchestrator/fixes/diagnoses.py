"""Every diagnosis there is. Owns: the registry, and how much evidence each one takes."""

from __future__ import annotations

from orchestrator.fixes import access, load, local, shape
from orchestrator.fixes.finding import Registered

DIAGNOSES: tuple[Registered, ...] = (
    Registered("bad_key", access.bad_key, 1),
    Registered("wrong_scope", access.wrong_scope, 1),
    Registered("wrong_version", access.wrong_version, 1),
    Registered("wrong_place", access.wrong_place, 3),
    Registered("out_of_credits", access.out_of_credits, 1),
    Registered("duplicate_contact", access.duplicate_contact, 1),
    Registered("webhook_disabled", access.webhook_disabled, 1),
    Registered("slow_vendor", load.slow_vendor, 3),
    Registered("storm", load.storm, 3),
    Registered("outage", load.outage, 3),
    Registered("drifted", shape.drifted, 2),
    Registered("dns", local.no_address, 1),
    Registered("tls", local.bad_certificate, 1),
    Registered("disk_full", local.disk_full, 1),
    Registered("broken_state", local.broken_state, 1),
    Registered("poisoned_lead", local.poisoned_lead, 2),
    Registered("dying_server", local.dying_server, 3),
)
