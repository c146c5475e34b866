"""The variables that were found. Owns: reading them, and handing each to who may see it.

Values come from the environment first, then from `.env`; they are never exported to this
process's own environment. Each server gets its own variables and no others (P8); the queen hands
the vendors' keys over and uses none of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from guardrails.errors import ConfigError
from orchestrator.variables import VARIABLES, Need, Variable


class MissingVariables(ConfigError):
    """Critical variables are not set; `variables` says which."""

    code = "variables_missing"
    default_remedy = "Copy .env.example to .env and fill them in, or try --sandbox (no keys)."

    def __init__(self, variables: tuple[Variable, ...]) -> None:
        super().__init__("missing: " + ", ".join(variable.name for variable in variables))
        self.variables = variables


@dataclass(frozen=True)
class Environment:
    """The values found. Printing it shows names only."""

    values: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Environment({', '.join(sorted(self.values))})"

    @classmethod
    def read(cls, env_file: Path, given: Mapping[str, str] | None = None) -> Environment:
        """Known variables from `given` (default: this process's environment), then `env_file`."""
        stated = dict(os.environ if given is None else given)
        filed = {key: value for key, value in dotenv_values(env_file).items() if value}
        merged = filed | {key: value for key, value in stated.items() if value}
        known = {variable.name for variable in VARIABLES}
        return cls({key: value for key, value in merged.items() if key in known})

    def with_values(self, values: Mapping[str, str]) -> Environment:
        """A copy with these values on top."""
        return Environment(dict(self.values) | dict(values))

    def require(self, needs: Iterable[Need] = ("critical",)) -> None:
        """Check that every variable of these needs is set.

        Raises:
            MissingVariables: names each, so that all can be mended at once.
        """
        wanted = set(needs)
        missing = tuple(
            variable
            for variable in VARIABLES
            if variable.need in wanted and not self.values.get(variable.name)
        )
        if missing:
            raise MissingVariables(missing)

    def for_server(self, server: str) -> dict[str, str]:
        """The variables of one process, and nothing else; names as in `Variable.servers`."""
        return {
            variable.name: self.values[variable.name]
            for variable in VARIABLES
            if server in variable.servers and variable.name in self.values
        }
