"""Which policy, bank form and code stand here. Owns: the three versions that a mode is earned for.

The policy is named without its mode: what was proven in shadow is proven of the same rules in
assisted. The code is named by a digest of the installed sources, so that a patched file is other
code whatever its version number says; a wheel and a checkout of the same sources agree.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib import metadata
from pathlib import Path

from guardrails.config import Config
from guardrails.config.loader import policy_version
from guardrails.errors import ConfigError
from guardrails.model import Frozen, Mode

_DISTRIBUTION = "chiefaiofficer-swarm"
_ROOT = Path(__file__).parents[1]
_PACKAGES = ("guardrails", "servers", "orchestrator")
# Configuration is the policy's business, and a wheel alone has a copy of it here.
_NOT_CODE = ("__pycache__", "_packaged")


class Versions(Frozen):
    """What evidence is about. Two of them are the same only when all three parts are."""

    policy: str
    bank_schema: int
    code: str


def with_mode(config: Config, mode: Mode) -> Config:
    """The same configuration in another mode."""
    production = config.production.model_copy(update={"mode": mode})
    return config.model_copy(update={"production": production})


def versions_of(config: Config) -> Versions:
    """The versions of this configuration and installation.

    Raises:
        ConfigError: the installed sources cannot be read.
    """
    from guardrails.bank.models import SCHEMA_VERSION  # noqa: PLC0415 - few processes need it

    return Versions(
        policy=policy_version(with_mode(config, Mode.SHADOW)),
        bank_schema=SCHEMA_VERSION,
        code=code_version(),
    )


@cache
def code_version() -> str:
    """`0.1.0+<12 hex digits>`, as the sources were when this process asked first.

    Raises:
        ConfigError: they cannot be read.
    """
    return f"{_release()}+{sources_digest(_ROOT)[:12]}"


def sources_digest(root: Path) -> str:
    """SHA-256 hex over names and contents of every source file of our packages below `root`.

    Raises:
        ConfigError: one cannot be read, or there is none.
    """
    whole = hashlib.sha256()
    try:
        files = [path for package in _PACKAGES for path in _sources(root / package)]
        for path in files:
            content = path.read_bytes()
            name = path.relative_to(root).as_posix()
            whole.update(f"{name} {len(content)}\n".encode() + content)
    except OSError as error:
        raise ConfigError(
            f"the installed sources cannot be read ({error.strerror})",
            remedy="Install the swarm again; what cannot be read is not known to be the same.",
        ) from error
    if not files:
        raise ConfigError("the installed sources cannot be found")
    return whole.hexdigest()


def _sources(package: Path) -> list[Path]:
    found: list[Path] = []
    for folder, inner, names in os.walk(package, onerror=_raised):
        inner[:] = [name for name in inner if name not in _NOT_CODE]
        found += (Path(folder, name) for name in names)
    return sorted(found)


def _raised(error: OSError) -> None:
    raise error


def _release() -> str:
    try:
        return metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0"
