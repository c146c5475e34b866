"""Variables: where they come from, who sees them, and what a missing one says."""

import re
from pathlib import Path

import pytest

from orchestrator.environment import Environment, MissingVariables
from orchestrator.options import SERVERS
from orchestrator.variables import VARIABLES

ROOT = Path(__file__).parents[2]
SEED_CRITICAL = {
    "GHL_PROD_API_KEY",
    "GHL_LOCATION_ID",
    "SUPABASE_URL",
    "SUPABASE_KEY",
    "CLAY_API_KEY",
    "INSTANTLY_API_KEY",
}


def test_the_environment_wins_over_the_file_and_unknown_names_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("CLAY_API_KEY=filed\nRB2B_API_KEY=filed\nSOMETHING_ELSE=x\n")
    found = Environment.read(file, {"CLAY_API_KEY": "stated", "AWS_SECRET": "y"})
    assert found.values == {"CLAY_API_KEY": "stated", "RB2B_API_KEY": "filed"}


def test_every_critical_variable_of_the_guide_is_required_and_named_with_its_purpose() -> None:
    with pytest.raises(MissingVariables) as caught:
        Environment({}).require()
    missing = {variable.name: variable for variable in caught.value.variables}
    assert set(missing) >= SEED_CRITICAL
    assert all(variable.purpose and variable.where for variable in missing.values())


def test_an_empty_value_counts_as_missing(tmp_path: Path) -> None:
    found = Environment.read(tmp_path / "none", dict.fromkeys(SEED_CRITICAL, ""))
    with pytest.raises(MissingVariables):
        found.require()


def test_printing_shows_names_and_no_values() -> None:
    assert "s3cret" not in repr(Environment({"CLAY_API_KEY": "s3cret"}))


def test_each_vendor_key_goes_to_exactly_one_server() -> None:
    everything = Environment({variable.name: "x" for variable in VARIABLES})
    keys = [name for name in everything.values if name.endswith(("_KEY", "LOCATION_ID"))]
    for key in keys:
        holders = [server for server in SERVERS if key in everything.for_server(server)]
        assert len(holders) <= 1, key
    assert "GHL_PROD_API_KEY" in everything.for_server("ghl")
    assert "GHL_PROD_API_KEY" not in everything.for_server("instantly")


def test_the_example_file_lists_every_variable_with_what_it_is_for() -> None:
    text = (ROOT / ".env.example").read_text()
    for variable in VARIABLES:
        assert re.search(rf"^(# )?{variable.name}=$", text, re.M), variable.name
    order = [text.index("CRITICAL:"), text.index("RECOMMENDED:"), text.index("OPTIONAL:")]
    assert order == sorted(order)
    critical = text[order[0] : order[1]]
    assert all(f"\n{name}=" in critical for name in SEED_CRITICAL)
