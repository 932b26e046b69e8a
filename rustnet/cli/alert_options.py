"""Options of alerts, and the line that an alert is on a terminal."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rustnet.cli.main import State
from rustnet.cli.terminal import notify
from rustnet.config import Config, usual_file
from rustnet.errors import UsageError
from rustnet.i18n import _
from rustnet.present.text import safe
from rustnet.present.values import moment

if TYPE_CHECKING:
    from rustnet.alerts.definitions import AlertError, Definition
    from rustnet.alerts.engine import Raised
    from rustnet.alerts.plan import AlertPlan

_F = TypeVar("_F", bound=Callable[..., Any])


def alert_options(command: _F) -> _F:
    """Add ``--alert`` and ``--no-alerts``; the command gets what they and the configuration ask for as ``alerts``."""

    @functools.wraps(command)
    def with_plan(*arguments: Any, alert: tuple[str, ...], no_alerts: bool, **options: Any) -> Any:
        state = click.get_current_context().find_object(State) or State()
        return command(*arguments, alerts=alert_plan(state.config, alert, no_alerts=no_alerts), **options)

    for option in (
        click.option("--no-alerts", is_flag=True, help=_("Check no alerts, whatever the configuration asks for.")),
        click.option(
            "--alert", multiple=True, metavar="NAME[:KEY=VALUE,…]",
            help=_("Raise an alert, or all; may be repeated. See 'rustnet alerts --list'.  [default: by configuration, "
                   "else none]"),
        ),
    ):  # fmt: skip
        with_plan = option(with_plan)
    return with_plan  # type: ignore[return-value]


def alert_plan(config: Config, wanted: tuple[str, ...], *, no_alerts: bool = False) -> "AlertPlan | None":
    """Alerts that the options and the configuration ask for; None: none. Raises `UsageError`."""
    if no_alerts and wanted:
        raise UsageError("--alert and --no-alerts exclude each other")
    names = () if no_alerts else (*config.alerts_enabled, *wanted)
    if not names:
        return None
    from rustnet.alerts.definitions import choose  # noqa: PLC0415 -- DuckDB
    from rustnet.alerts.delivery import Targets, checked  # noqa: PLC0415
    from rustnet.alerts.plan import AlertPlan  # noqa: PLC0415

    problems: dict[str, AlertError] = {}
    known = known_alerts(config, problems)
    for name in names:
        if (error := problems.get(name.partition(":")[0])) is not None:
            raise error
    targets = Targets(config.alerts_command, config.alerts_webhook, config.alerts_desktop, config.alerts_least)
    baseline = None if config.alerts_baseline is None else str(config.alerts_baseline)
    return AlertPlan(choose(known, names), baseline, checked(targets), print_alert)


def known_alerts(config: Config, problems: "dict[str, AlertError]") -> "dict[str, Definition]":
    """All alerts by name, shipped and own; ``problems`` gets what is wrong with own ones."""
    from rustnet.alerts.definitions import load  # noqa: PLC0415 -- DuckDB
    from rustnet.query.catalogue import own_folders  # noqa: PLC0415

    folder = config.alerts_folder
    if folder is None:
        usual = usual_file().parent / "alerts"
        folder = usual if usual.is_dir() else None
    queries = [config.queries] if config.queries is not None else own_folders(usual_file().parent)
    return load(None if folder is None else Path(folder), queries, problems)


def print_alert(raised: "Raised") -> None:
    """Print an alert as one line on stderr."""
    notify(alert_line(raised))


def alert_line(raised: "Raised") -> str:
    """Line about an alert, for a terminal."""
    if raised.ts is None:
        words = _("rustnet: alert {name} ({severity}): {summary}")
        return words.format(name=raised.name, severity=raised.severity, summary=safe(raised.summary))
    words = _("rustnet: alert {name} ({severity}), {time}: {summary}")
    return words.format(
        name=raised.name, severity=raised.severity, time=moment(raised.ts), summary=safe(raised.summary)
    )
