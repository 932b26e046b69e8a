"""Plants hostile texts in every text column of every table of a session."""

from pathlib import Path

import duckdb

PAYLOADS = (
    "<script>window.hacked=1</script>",
    '"><img src=x onerror=window.hacked=1>',
    "' onmouseover='window.hacked=1' autofocus onfocus='window.hacked=1",
    "</script><script>window.hacked=1</script>",
    "</style></title></textarea><svg onload=window.hacked=1>",
    "{{ 7*7 }}{% raw %}${7*7}<%= 7*7 %>",
    "--><!-- ]]> <![CDATA[",
    "javascript:window.hacked=1",
    "\u202egnp.exe\u2066\u200b\x07\x1b[31mred\x9b",
    "&lt;script&gt;window.hacked=1&amp;#60;",
    "http://192.0.2.1/x.png\r\nSet-Cookie: a=b",
    "<a href=//192.0.2.1/>" + "A" * 5000,
    "<iframe srcdoc='<script>parent.hacked=1</script>'>",
    "<meta http-equiv=refresh content=0;url=http://192.0.2.1/>",
)
KEPT = {
    "flows_ended": {"protocol", "direction", "app_source", "conn_state", "end_reason", "src_ip", "dst_ip"},
    "host_facts": {"fact", "source", "ip"},
    "captures": {"kind"},
    "dns": {"transport"},
}
"""Columns that decide which rows queries show: they are left alone in a half of the plants."""
OWN = {"meta", "migrations"}
"""Tables of the session itself, whose texts are checked as it is opened."""


def plant(session: Path, turn: int, *, everywhere: bool) -> int:
    """Put a payload into every text of a session, another one by ``turn``; returns the number of columns.

    A table without rows gets one. Unless ``everywhere``, columns that queries compare with words are left alone.
    """
    texts = "[" + ", ".join("'" + text.replace("'", "''") + "'" for text in PAYLOADS) + "]"
    planted = 0
    with duckdb.connect(str(session)) as con:
        con.begin()
        tables = [row[0] for row in con.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()]
        for table in tables:
            if table in OWN:
                continue
            columns = con.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [table]
            ).fetchall()
            if not con.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]:  # type: ignore[index]
                con.execute(f'INSERT INTO "{table}" SELECT {", ".join(map(_filler, columns))}')
            changes = []
            for at, (name, kind) in enumerate(columns):
                if kind not in ("VARCHAR", "VARCHAR[]") or (not everywhere and name in KEPT.get(table, ())):
                    continue
                text = f"{texts}[(rowid + {turn + at}) % {len(PAYLOADS)} + 1]"
                changes.append(f'"{name}" = {text if kind == "VARCHAR" else f"[{text}, {text}]"}')
            if changes:
                con.execute(f'UPDATE "{table}" SET {", ".join(changes)}')
            planted += len(changes)
        con.commit()
    return planted


def _filler(column: tuple[str, str]) -> str:
    """A value of a type."""
    name, kind = column
    if name.startswith("outer_"):
        return f"CAST(NULL AS {kind})"  # a flow within itself is none
    if name == "ts" or kind.startswith("TIMESTAMP"):
        return "(SELECT max(started_at) FROM flows_ended)"
    if kind == "VARCHAR":
        return "'x'"
    if kind == "BOOLEAN":
        return "true"
    if kind.endswith("[]") or "(" in kind:
        return f"CAST(NULL AS {kind})" if "[]" not in kind else f"CAST([] AS {kind})"
    return f"CAST(1 AS {kind})"
