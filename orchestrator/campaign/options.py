"""From a command line and the configuration to a plan. Owns: the defaults.

Refuses to begin a campaign that nobody asked for: neither the configuration nor the command.
"""

from __future__ import annotations

from pathlib import Path

from guardrails.config import load_config
from guardrails.errors import ConfigError
from orchestrator.campaign.plan import ALL_FAULTS, Plan, faults_of, seconds_of


def plan_of(
    *,
    duration: str,
    rate: float | None,
    seed: int | None,
    leads: Path,
    faults: str | None,
    sweep: bool,
    sandbox: bool,
    database_url: str | None,
    hive: Path,
    config: Path | None,
) -> Plan:
    """The plan; what the command does not say is taken from `failure_injection`.

    Raises:
        BadInput: a duration or fault that means nothing.
        ConfigError: failure injection is off and nothing on the command line asks for faults.
    """
    stated = load_config(config).production.failure_injection
    if not stated.enabled and rate is None and faults is None and not sweep:
        raise ConfigError(
            "no faults are asked for: failure_injection is off in config/production.json",
            remedy="Set failure_injection.enabled to true there, or say --rate 0.1 "
            "(or --faults, --sweep) on the command line.",
        )
    chosen = faults_of(faults) if faults is not None else stated.faults
    return Plan(
        kind="sweep" if sweep else "random",
        seconds=seconds_of(duration),
        rate=stated.rate if rate is None else rate,
        seed=stated.seed if seed is None else seed,
        faults=tuple(fault for fault in ALL_FAULTS if fault in chosen),
        sandbox=sandbox,
        leads=leads,
        hive=hive,
        config=config,
        database_url=database_url,
    )
