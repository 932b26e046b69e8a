"""Alerts on the terminal: those that were raised in a session, and those that there are."""

import sys
from typing import TYPE_CHECKING

from rustnet.cli.alert_options import known_alerts
from rustnet.cli.main import State, terminal
from rustnet.cli.options import TERMINAL_LIMIT, opened
from rustnet.cli.outputs import Inputs, inputs_of, text_output
from rustnet.cli.terminal import Col, notify, notify_error, table, wrap
from rustnet.i18n import _
from rustnet.present.text import printable
from rustnet.present.values import moment

if TYPE_CHECKING:
    from rustnet.alerts.definitions import AlertError, Definition
    from rustnet.cli.terminal import Terminal
    from rustnet.query.execute import Row
    from rustnet.query.session import Session

_COLUMNS = (
    Col(_("time"), least=0, drop=2), Col(_("severity"), least=0), Col(_("alert"), least=8, drop=3),
    Col(_("summary"), least=30), Col(_("flow"), True, 0, drop=4),
)  # fmt: skip


def print_raised(
    session: str,
    form: str,
    output: str | None,
    *,
    limit: int | None,
    everything: bool,
    checks: bool,
    spreadsheet: bool,
) -> None:
    """Print the alerts that were raised, or how far each was checked."""
    screen = terminal()
    on_screen = form == "table" and output is None and screen.tty
    if limit is None and on_screen and not everything:
        limit = TERMINAL_LIMIT
    with opened(session) as reader:
        from rustnet.export.formats import write_result  # noqa: PLC0415 -- DuckDB
        from rustnet.query.views import alerts as view  # noqa: PLC0415

        inputs = inputs_of(reader, session, output)
        result = view.every_check(reader, limit) if checks else view.raised(reader, limit, whole=form != "table")
        if on_screen and not checks:
            count = _screen([dict(zip(result.columns, row, strict=True)) for row in result.rows], screen)
        else:
            with text_output(output, form, inputs) as out:
                count = write_result(result, form, out, spreadsheet=spreadsheet)
        sys.stdout.flush()
        if result.truncated and on_screen:
            notify(_("more rows follow; --all shows all"))
        if form == "table":
            _notes(reader, count, checks=checks)


def _screen(rows: "list[dict[str, object]]", screen: "Terminal") -> int:
    """Print the main columns; returns the number of rows."""
    cells = [
        [
            moment(row["ts"]) if isinstance(row["ts"], int) else "-", printable(str(row["severity"])),
            printable(str(row["alert"])), printable(str(row["summary"])),
            "-" if row["flow_id"] is None else str(row["flow_id"]),
        ]
        for row in rows
    ]  # fmt: skip
    if cells:
        for line in table(list(_COLUMNS), cells, screen.width, screen.bold, indent=""):
            sys.stdout.write(line + "\n")
    return len(rows)


def _notes(reader: "Session", count: int, *, checks: bool) -> None:
    """Print what limits what the list states."""
    from rustnet.query.views import alerts as view  # noqa: PLC0415 -- DuckDB

    known = view.checks(reader)
    if not known:
        captures = reader.captures()
        if any(row[captures.columns.index("kind")] == "live" for row in captures.rows):
            notify(_("no alert was checked in this session; 'rustnet live --alert all' checks them"))
        else:
            notify(_("no alert was checked in this session; 'rustnet replay --alert all' checks them"))
    elif not count:
        notify(_("no alert was raised"))
    for each in known if not checks else ():
        if each.state != "checked" or each.detail:
            words = _("{alert}: {state}: {detail}")
            notify(words.format(alert=printable(each.alert), state=each.state, detail=printable(each.detail or "-")))


def print_known(state: State, name: str | None, form: str, output: str | None) -> None:
    """List the alerts that there are, or describe one."""
    from rustnet.alerts.definitions import choose  # noqa: PLC0415 -- DuckDB
    from rustnet.export.formats import write_result  # noqa: PLC0415
    from rustnet.query.execute import ResultSet  # noqa: PLC0415

    problems: dict[str, AlertError] = {}
    known = known_alerts(state.config, problems)
    if name is not None:
        if name in problems:
            raise problems[name]
        choose(known, [name])
        sys.stdout.write("\n".join(_described(known[name], terminal())) + "\n")
        return
    enabled = {text.partition(":")[0] for text in state.config.alerts_enabled}
    rows: list[Row] = [
        (each.name, each.severity, each.title, each.query, bool(enabled & {each.name, "all"}), each.folder)
        for each in known.values()
    ]
    names = ("alert", "severity", "title", "saved_query", "enabled", "folder")
    result = ResultSet(names, (*["VARCHAR"] * 4, "BOOLEAN", "VARCHAR"), rows, truncated=False, elapsed=0.0)
    if form == "table" and output is None:
        heads = [Col(_("alert"), least=0), Col(_("severity"), least=0), Col(_("what it notices"), least=20),
                 Col(_("saved query"), least=8, drop=1), Col(_("enabled"), least=0, drop=2)]  # fmt: skip
        cells = [[r[0] + ("*" if r[5] else ""), r[1], printable(r[2]), r[3], _("yes") if r[4] else ""] for r in rows]
        screen = terminal()
        sys.stdout.write("\n".join(table(heads, cells, screen.width, screen.bold, indent="")) + "\n")
        sys.stdout.flush()
        own = next((r[5] for r in rows if r[5]), None)
        if own is not None:
            notify(_("* from {folders}").format(folders=printable(own)))
    else:
        own_files = [f"{each.folder}/{each.name}.toml" for each in known.values() if each.folder is not None]
        with text_output(output, form, Inputs(sidecars=own_files)) as out:
            write_result(result, form, out)
    for problem in problems.values():
        notify_error(problem.sentence(_))


def _described(definition: "Definition", screen: "Terminal") -> list[str]:
    """Lines about one alert."""
    from rustnet.alerts.definitions import properties  # noqa: PLC0415

    lines = [f"{screen.bold(definition.name)}: {printable(definition.title)}"]
    if definition.folder is not None:
        lines.append("  " + _("from {folder}").format(folder=printable(definition.folder)))
    lines += ["  " + wrap(printable(definition.description), screen.width - 4, "  "), ""]
    lines += [f"  {name} = {printable(text)}" for name, text in properties(definition).items()]
    if definition.saved is not None and definition.saved.parameters:
        lines += ["", "  " + _("parameters, such as --alert {name}:{first}=…").format(
            name=definition.name, first=definition.saved.parameters[0].name)]  # fmt: skip
        lines += [
            f"    {each.name} ({each.type}, {definition.parameters.get(each.name, each.default)}): "
            f"{printable(each.help)}"
            for each in definition.saved.parameters
        ]
    return lines
