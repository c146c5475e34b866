"""How the awkward server is started: spawned, or forked by a nursery that preloaded it."""

import sys
from pathlib import Path

from orchestrator.begun import Begun
from orchestrator.nursery import Nursery
from orchestrator.processes import ServerSpec

SERVER = Path(__file__).parent / "awkward_server.py"
MODULE = "tests.orchestrator.fakes.awkward_server"
ROOT = str(Path(__file__).parents[3])


class AwkwardSpec(ServerSpec):
    """The awkward server instead of one of ours."""

    @property
    def module(self) -> str:
        return MODULE

    @property
    def command(self) -> tuple[str, ...]:
        return (sys.executable, str(SERVER))


def awkward(name: str = "awkward", **env: str) -> AwkwardSpec:
    return AwkwardSpec(name, {"PYTHONPATH": ROOT, **env})


def awkward_nursery(
    folder: Path, *modules: str, patience_s: float = 5.0, begun: Begun | None = None
) -> Nursery:
    """A nursery of the awkward server, or of other modules."""
    log, env = folder / "nursery.log", {"PYTHONPATH": ROOT}
    return Nursery(modules or (MODULE,), log, env, patience_s=patience_s, begun=begun)
