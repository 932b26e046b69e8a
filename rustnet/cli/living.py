"""A live run: packets of interfaces are stored until it is stopped, while the browser or a line shows how it goes."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.cli.alert_options import alert_line
from rustnet.cli.ingesting import print_problems, print_summary, session_path, summariser
from rustnet.cli.live_line import LiveLine
from rustnet.cli.main import State
from rustnet.cli.oneshot import collected, stopped_by_signals
from rustnet.cli.outputs import share
from rustnet.cli.rotating import rotated_by_hangup
from rustnet.errors import ExitCode

if TYPE_CHECKING:
    from rustnet.alerts.engine import Raised
    from rustnet.ingest.live_monitor import Watcher
    from rustnet.ingest.live_open import LiveOptions
    from rustnet.ingest.live_run import Rings
    from rustnet.ingest.options import Options
    from rustnet.ingest.report import Progress, Report
    from rustnet.query.session import Session
    from rustnet.query.summary import Summary


@dataclass(frozen=True, slots=True)
class Live:
    """A live run, and what is to be done after it."""

    live: "LiveOptions"
    db: str | None
    options: "Options"
    strict: bool
    top: int
    as_json: bool
    metrics: str | None
    """Where metrics go: a file, or ``unix:`` and the path of a socket."""
    live_line: LiveLine
    """The line on a terminal."""

    def run(self) -> ExitCode:
        """Capture until a signal or a limit, then print the summary."""
        from rustnet.ingest.live_open import own_folder  # noqa: PLC0415 -- the whole engine

        summaries: list[Summary] = []
        rings = self.opened()
        with session_path(self.db) as session:
            scratch = None if self.db else Path(session).parent
            if scratch is not None:
                own_folder(str(scratch), rings)
            rings.confining.drop()
            report = self.capture(
                rings, session, self.options, ask=summariser(summaries, self.top), scratch=scratch, line=True
            )
            self.follow_up(report)
            if report.captures:
                summary = summaries[0] if summaries else None
                names = "".join(f" -i {shlex.quote(name)}" for name in self.live.interfaces)
                command = f"rustnet live{names} --db session.duckdb"
                kept = self.db is not None
                print_summary(session, report, summary, self.as_json, kept=kept, top=self.top, command=command)
        return report.exit_code(self.strict)

    def on_screen(self, state: State) -> int:
        """Capture in another process, and browse the session meanwhile."""
        from rustnet.cli.browsing import browse_replay  # noqa: PLC0415 -- on a terminal only

        rings = self.opened()
        rings.confining.drop()

        def write(session: str, watcher: "Callable[[Progress], None]") -> tuple[ExitCode, bool]:
            options = replace(self.options, answer_at_once=True)
            report = self.capture(rings, session, options, watcher=watcher)
            self.follow_up(report)
            return report.exit_code(self.strict), bool(report.captures)

        return browse_replay(write, (rings.name,), self.db, state, live=True, release=rings.release)

    def opened(self) -> "Rings":
        """Begin to capture."""
        from rustnet.ingest.live_open import open_live  # noqa: PLC0415 -- the whole engine

        rings = open_live(self.live)
        if rings.libpcap is None or self.live.attribution == "none":
            return rings
        from rustnet.cli.psutil_live import PsutilProbe  # noqa: PLC0415 -- without a probe only

        return replace(rings, recorder=PsutilProbe)

    def capture(
        self,
        rings: "Rings",
        session: str,
        options: "Options",
        *,
        watcher: "Callable[[Progress], None] | None" = None,
        ask: "Callable[[Session], None] | None" = None,
        scratch: Path | None = None,
        line: bool = False,
    ) -> "Report":
        """Capture into the session until a signal or a limit. ``line``: show on a terminal how it stands."""
        from rustnet.ingest.live_run import capture_live  # noqa: PLC0415

        watchers: list[Watcher] = []
        if self.metrics is not None:
            from rustnet.ingest.metrics import open_metrics  # noqa: PLC0415 -- only if asked for

            watchers.append(open_metrics(self.metrics, [session], self.options.group))
        if line and sys.stderr.isatty():
            watchers.append(self.live_line)
            if options.alerts is not None:  # the writer's thread must not wait for a terminal
                options = replace(options, alerts=replace(options.alerts, on_alert=self._alert))
        with stopped_by_signals(scratch) as stop, rotated_by_hangup(stop), collected():
            options = replace(options, limits=replace(options.limits, since=rings.opened_at))
            rings.confining.scratch = None if self.db else str(Path(session).parent)
            return capture_live(rings, session, options, watcher, ask, stop, watchers)

    def _alert(self, raised: "Raised") -> None:
        """Show an alert above the line."""
        self.live_line.later(alert_line(raised))

    def follow_up(self, report: "Report") -> None:
        """Do what comes after a run."""
        if self.db:
            share(self.db)
        print_problems(report)
