"""Makes the page: sections, template, styles and scripts in one file that asks for nothing."""

import base64
import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rustnet import __version__
from rustnet.errors import UsageError
from rustnet.export.report.blocks import Section
from rustnet.export.report.sections import (
    custody,
    dns,
    health,
    names,
    places,
    processes,
    protocols,
    quality,
    security,
    summary,
    talkers,
    timeline,
    tls,
)
from rustnet.export.report.source import Source
from rustnet.export.report.words import words
from rustnet.i18n import _, language
from rustnet.present.text import printable
from rustnet.present.values import short_moment, timestamp_ns

if TYPE_CHECKING:
    from jinja2 import Environment

    from rustnet.policy.redaction import Redactor
    from rustnet.query.session import Session

STATIC = Path(__file__).with_name("static")
TEMPLATES = Path(__file__).with_name("templates")
STYLES = ("uPlot.min.css", "report.css")
SCRIPTS = ("uPlot.iife.min.js", "report.js")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report is about, and how it is shown."""

    title: str | None = None
    """Shown as it is, also in a redacted report: it is written for the page."""
    filter: str = ""
    """Filter of flows; with a redactor, over what it shows."""
    since: int | None = None
    """Flows that end before this time, in nanoseconds since 1970 UTC, are left out."""
    until: int | None = None
    """Flows that begin at this time or later are left out."""
    redactor: "Redactor | None" = None
    written: dt.datetime | None = None
    """Present time, which the report names."""

    def restricted(self) -> str:
        """Filter for the flows of the report, over originals."""
        text = self.filter.strip()
        if text and self.redactor is not None:
            from rustnet.query.filter_redaction import original_filter  # noqa: PLC0415 -- only then

            text = original_filter(text, self.redactor)
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise UsageError("the end of the report's time has to be after its beginning")
        parts = [f"({text})"] if text and (self.since is not None or self.until is not None) else [text]
        if self.since is not None:
            parts.append(f"end:>={timestamp_ns(self.since)}")
        if self.until is not None:
            parts.append(f"start:<{timestamp_ns(self.until)}")
        return " ".join(filter(None, parts))


def report(session: "Session", subject: Subject) -> str:
    """The report of a session as HTML."""
    source = Source(session, session.path, subject.restricted(), subject.redactor)
    sections = every_section(source, subject)
    return render(source, subject, sections)


def every_section(source: Source, subject: Subject) -> list[Section]:
    """All sections in their order; the summary mentions what the others have."""
    figures = summary.totals(source)
    first, last = (figures.first[name] for name in ("first_ts", "last_ts"))
    times = (first, last) if isinstance(first, int) and isinstance(last, int) else (None, None)
    ground = [custody.section(source, subject.written), health.section(source)]
    rest = [timeline.section(source, *times)]
    rest += [
        each.section(source) for each in (protocols, talkers, processes, places, names, tls, dns, quality, security)
    ]
    return [summary.section(source, figures, [*ground, *rest]), *ground, *rest]


def render(source: Source, subject: Subject, sections: Sequence[Section]) -> str:
    """Fill the template."""
    styles, scripts = _joined(STYLES), _joined(SCRIPTS)
    environment = _environment()
    policy = (
        f"default-src 'none'; style-src '{_digest(styles)}'; script-src '{_digest(scripts)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    from markupsafe import Markup  # noqa: PLC0415 -- with jinja2

    return environment.get_template("page.html").render(
        language=language().replace("_", "-"),
        title=subject.title or _("Network report"),
        session=source.name,
        version=__version__,
        written=None if subject.written is None else short_moment(int(subject.written.timestamp()) * 10**9),
        policy=Markup(policy),  # noqa: S704 -- ours
        styles=Markup(styles),  # noqa: S704 -- ours
        scripts=Markup(scripts),  # noqa: S704 -- ours
        redaction=_redaction(source),
        sections=sections,
        titles={section.name: section.title for section in sections},
        prefixes=not source.hides_addresses,
        w=SimpleNamespace(**words()),  # of a dict, `w.copy` would be its method
    )


def _redaction(source: Source) -> tuple[str, str] | None:
    """Name and meaning of the policy that the shown values were replaced by; None: they are originals."""
    from rustnet.policy.redaction import POLICIES  # noqa: PLC0415 -- only for this
    from rustnet.query.redaction_mark import redaction_of  # noqa: PLC0415

    redactor = source.redactor or getattr(source.session, "redactor", None)
    if redactor is not None:
        return redactor.policy.name, redactor.policy.meaning
    mark = redaction_of(source.session)
    if mark is None:
        return None
    return mark.policy, POLICIES[mark.policy].meaning if mark.policy in POLICIES else ""


def _joined(names: Sequence[str]) -> str:
    return "\n".join((STATIC / name).read_text("utf-8").strip() for name in names)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _environment() -> "Environment":
    """Templates that escape every value, and write none of its control characters."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined  # noqa: PLC0415 -- 30 ms, only here
    from markupsafe import Markup, escape  # noqa: PLC0415

    def shown(value: Any) -> Any:
        if not isinstance(value, str | int | float | Undefined):
            raise TypeError(f"a page has no place for a {type(value).__name__}")
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    def lines(text: str) -> Markup:
        return Markup("\n").join(escape(printable(line)) for line in text.split("\n"))

    environment = Environment(
        autoescape=True, finalize=shown, loader=FileSystemLoader(TEMPLATES), trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined,
    )  # fmt: skip
    environment.filters["lines"] = lines
    return environment
