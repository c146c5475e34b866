"""A campaign as one page. Owns: report.html: verdict first, then the charts that carry it.

One self-contained file without scripts and outside resources. What it shows was partly written by
others (lead ids, reasons, vendors' answers): everything is escaped and cleaned.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orchestrator.campaign import words
from orchestrator.campaign.brake_spans import doors, extent, shut
from orchestrator.campaign.charts import (
    NARROW,
    WIDE,
    bars,
    course,
    fault_areas,
    fault_bars,
)
from orchestrator.campaign.charts_brakes import arrivals, breaker_lanes, closeup
from orchestrator.campaign.charts_leads import MOST_ROWS, chosen, lead_matrix
from orchestrator.campaign.record import CampaignRecord
from orchestrator.campaign.report_figures import figures, notes
from orchestrator.campaign.report_findings import finding, proposal, written

_TEMPLATES: Final = Path(__file__).parent / "templates"
_LONGEST_TABLE = 500
_MOST_DOORS = 10
_CLOSE_S = 120.0
_CLOSE_UPS = 2
_MOST_FINDINGS = 40


def write_html(record: CampaignRecord, path: Path) -> None:
    """Write the page to `path`: all of it or nothing, whatever was there before.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    data = page(record).encode("utf-8", "replace")
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def page(record: CampaignRecord) -> str:
    """The page's text."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "words": words.words,
        "written": written,
        "verdict": lambda name: words.VERDICTS[name],
        "lasting": words.lasting,
    }
    css = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html.j2").render(css=css, **_context(record))


def _context(record: CampaignRecord) -> dict[str, Any]:
    alike = all(lead.verdict == "same" for lead in record.leads)
    found = [finding(cluster) for cluster in record.clusters]
    causes = [(one.title, one.count, "l2 fill") for one in found]
    return {
        "record": record,
        "figures": figures(record),
        "notes": notes(record),
        "alike": alike,
        "leads": sorted(record.leads, key=lambda lead: lead.row)[:_LONGEST_TABLE],
        "hidden_leads": max(0, len(record.leads) - _LONGEST_TABLE),
        "drawn_leads": min(len(chosen(record.leads)), MOST_ROWS),
        "doors": _doors(record),
        "silent": _silent(record),
        "lanes": _both(partial(breaker_lanes, record)),
        "areas": _both(partial(fault_areas, record)),
        "kinds": _both(partial(fault_bars, record)),
        "course": course(record),
        "matrix": _both(partial(lead_matrix, record.leads)),
        "findings": found[:_MOST_FINDINGS],
        "hidden_findings": max(0, len(found) - _MOST_FINDINGS),
        "clusters": _both(partial(bars, "Failures by cause", causes)),
        "proposals": [proposal(one) for one in record.proposals],
    }


def _plain(value: object) -> object:
    """What a page may show of a value; only what the template itself calls safe is kept whole."""
    return value if hasattr(value, "__html__") else words.clean(value, 20_000)


def _both(draw: Callable[[float], str]) -> str:
    """The chart for a wide page and for a phone; the style sheet shows one of them."""
    return f'<div class="wide">{draw(WIDE)}</div><div class="narrow">{draw(NARROW)}</div>'


def _doors(record: CampaignRecord) -> list[tuple[str, str, str]]:
    """(door, what is seen, chart): GHL's first, which the guide asks about; two of them closer.

    None when nobody counted: a chart without bars would say that nothing arrived.
    """
    made: list[tuple[str, str, str]] = []
    if not record.arrivals:
        return made
    seen = [name for name in doors(record) if name not in _silent(record)]
    for place, name in enumerate(seen[:_MOST_DOORS]):
        seconds = sum(one.seconds for one in shut(record.breakers, name))
        said = f"breaker open for {words.lasting(seconds)}" if seconds else "never open"
        made.append((words.words(name), said, _both(partial(arrivals, record, name))))
        if seconds and extent(record) > 2.5 * _CLOSE_S and place < _CLOSE_UPS:
            window = closeup(record, name, _CLOSE_S)
            chart = _both(partial(arrivals, record, name, window=window))
            told = f"closer: two minutes around its first trip, from {words.clock(window[0])}"
            made.append((words.words(name), told, chart))
    return made


def _silent(record: CampaignRecord) -> list[str]:
    """Doors at which nothing arrived, and whose breaker never opened."""
    quiet = (name for name in doors(record) if not record.arrivals.get(name))
    return sorted(name for name in quiet if not shut(record.breakers, name))
