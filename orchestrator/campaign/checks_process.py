"""Did the processes hold? Owns: the questions about crashes, orphans, memory and open files."""

from __future__ import annotations

from statistics import median

from orchestrator.campaign.findings import Findings
from orchestrator.campaign.record import Question

# Growth that is warm-up or noise, not a leak.
_MEMORY_SHARE, _MEMORY_MB = 0.10, 40.0
_FILES_SHARE, _FILES = 0.10, 40
_TOLD = 5


def survived(found: Findings) -> Question:
    """Did the system survive without a hard crash?"""
    restarts = sum(found.restarts.values())
    unexplained = max(0, restarts - found.restarts_explained)
    problems = [*found.broken]
    problems += [f"{found.crashed_rows} leads could not be closed"] if found.crashed_rows else []
    problems += [f"{unexplained} servers died on their own"] if unexplained else []
    answer = (
        f"Yes: the queen ran through, {restarts} servers were restarted (each of them killed, or "
        f"hung, on purpose or past its time limit), {found.resumes} halted rounds went on."
        if not problems
        else f"No: {'; '.join(problems[:_TOLD])}."
    )
    return Question(
        id="survived",
        text="Did the system survive without a hard crash?",
        holds=not problems,
        answer=answer,
        evidence={
            "restarts": dict(found.restarts),
            "unexplained": unexplained,
            "unforeseen_errors": list(found.broken[:50]),
        },
    )


def no_orphans(found: Findings) -> Question:
    """Was any process left behind?"""
    answer = f"Process ids {list(found.orphans)}." if found.orphans else "No."
    return Question(
        id="no_orphans",
        text="Was any process left behind?",
        holds=not found.orphans,
        answer=answer,
        evidence={"pids": list(found.orphans)},
    )


def memory_flat(found: Findings) -> Question:
    """Did memory grow?"""
    values = [(number, memory) for number, memory, _ in found.round_memory if memory > 0]
    return _flat(
        "memory_flat", "Did memory grow from round to round?", values, "MB",
        share=_MEMORY_SHARE, least=_MEMORY_MB,
    )  # fmt: skip


def files_flat(found: Findings) -> Question:
    """Did open files grow?"""
    values = [(number, float(files)) for number, _, files in found.round_memory if files > 0]
    return _flat(
        "files_flat", "Did open files grow from round to round?", values, "files",
        share=_FILES_SHARE, least=_FILES,
    )  # fmt: skip


def _flat(
    name: str,
    text: str,
    values: list[tuple[int, float]],
    unit: str,
    *,
    share: float,
    least: float,
) -> Question:
    """Compare the end with what it was after the warm-up: medians of quarters."""
    quarter = max(1, len(values) // 4)
    warm, late = values[quarter : 2 * quarter] or values[:1], values[-quarter:]
    if not values:
        return Question(
            id=name, text=text, holds=False, answer="This system does not say.", evidence={}
        )
    before, after = (median(value for _, value in part) for part in (warm, late))
    allowed = max(share * before, least)
    slope = _slope(values[quarter:])
    few = "" if len(values) >= 8 else f" {len(values)} rounds are few for this question."
    return Question(
        id=name,
        text=text,
        holds=after - before <= allowed,
        answer=f"From {before:.0f} to {after:.0f} {unit} over {len(values)} rounds "
        f"(up to {allowed:.0f} more is noise), {slope:+.3f} {unit} a round.{few}",
        evidence={"before": before, "after": after, "per_round": slope, "rounds": len(values)},
    )


def _slope(values: list[tuple[int, float]]) -> float:
    """Least squares, per round."""
    if len(values) < 2:
        return 0.0
    mean_x = sum(x for x, _ in values) / len(values)
    mean_y = sum(y for _, y in values) / len(values)
    spread = sum((x - mean_x) ** 2 for x, _ in values)
    together = sum((x - mean_x) * (y - mean_y) for x, y in values)
    return round(together / spread, 4) if spread else 0.0
