"""Saved queries on the terminal: the list by subject, and one query in full."""

from collections.abc import Iterable, Sequence

from rustnet.cli.terminal import Col, Terminal, table, wrap
from rustnet.i18n import _
from rustnet.present.text import printable
from rustnet.query import manual
from rustnet.query.catalogue import SavedQuery
from rustnet.query.execute import ResultSet


def list_lines(queries: Iterable[SavedQuery], screen: Terminal) -> list[str]:
    """Lines of the list of queries, by subject."""
    columns = [Col(_("name"), least=0), Col(_("what it shows"), least=20), Col(_("parameters"), least=10, drop=1)]
    groups = manual.by_subject(queries)
    rows = [
        [_listed(q), printable(q.title), ", ".join(p.name for p in q.parameters)]
        for group in groups.values()
        for q in group
    ]
    lines = table(columns, rows, screen.width, str, indent="  ")
    shown = [screen.bold(lines.pop(0))]
    for subject, group in groups.items():
        shown += [screen.bold(subject), *lines[: len(group)]]
        del lines[: len(group)]
    return shown


def _listed(query: SavedQuery) -> str:
    """Name of a query, with a mark if it is the user's own."""
    mark = "" if query.folder is None else "**" if query.shadows else "*"
    return query.name + mark


def legend(queries: Sequence[SavedQuery]) -> str | None:
    """What the marks of the user's own queries mean, with their folders; ``None`` if there are none."""
    folders = ", ".join(sorted({printable(query.folder) for query in queries if query.folder is not None}))
    if not folders:
        return None
    shadows = any(query.shadows for query in queries)
    words = _("* from {folders}; ** replaces the shipped query") if shadows else _("* from {folders}")
    return words.format(folders=folders)


def list_result(queries: Iterable[SavedQuery]) -> ResultSet:
    """The list for other formats than the terminal's."""
    rows = [
        (q.subject, q.name, q.title, [p.name for p in q.parameters], q.folder, q.shadows)
        for group in manual.by_subject(queries).values()
        for q in group
    ]
    names = ("subject", "name", "title", "parameters", "folder", "replaces_shipped")
    types = ("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR[]", "VARCHAR", "BOOLEAN")
    return ResultSet(names, types, rows, truncated=False, elapsed=0.0)


def explain_lines(query: SavedQuery, session: str, screen: Terminal) -> list[str]:
    """Lines that describe a query: text, parameters, columns, SQL, and examples with ``session``."""
    subject = query.subject or "other"
    lines = [screen.bold(query.name) + f": {printable(query.title)} ({subject})"]
    if query.folder is not None:
        own = _("from {folder}; it replaces the shipped query") if query.shadows else _("from {folder}")
        lines.append(f"  {own.format(folder=printable(query.folder))}")
    lines += ["  " + wrap(printable(query.description), screen.width - 4, "  "), ""]
    if query.parameters:
        lines += _parameters(query, screen)
    lines += _columns(manual.result_columns([query])[query.name], screen)
    lines += [screen.bold(_("SQL")), *(f"  {printable(line)}" for line in query.sql.splitlines()), ""]
    lines += [screen.bold(_("Example")), f"  {printable(manual.example_command(query, session))}"]
    return [*lines, f"  {printable(manual.example_python(query, session))}"]


def _parameters(query: SavedQuery, screen: Terminal) -> list[str]:
    heads = [Col(_("parameter"), least=0), Col(_("type"), least=0), Col(_("default"), least=0), Col("", least=20)]
    rows = [[f"-p {p.name}=…", p.type, printable(manual.default_of(p)), printable(p.help)] for p in query.parameters]
    return [*table(heads, rows, screen.width, screen.bold, indent="  "), ""]


def _columns(columns: Sequence[manual.ResultColumn], screen: Terminal) -> list[str]:
    heads = [Col(_("column"), least=0), Col(_("type"), least=8), Col(_("kind"), least=0), Col("", least=10)]
    rows = [[printable(c.name), printable(c.sql_type), c.kind, printable(c.help)] for c in columns]
    return [*table(heads, rows, screen.width, screen.bold, indent="  "), ""]
