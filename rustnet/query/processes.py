"""Processes as a tree, with the traffic of each.

A process is below its parent if the session has that; otherwise its lineage supplies the names of its ancestors. Of
processes with the same pid, the parent is the last one that started before its child.
"""

import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rustnet.query.compile import Scope, compile_filter
from rustnet.query.execute import ResultSet

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

_ANCESTOR = re.compile(r"(.*)\((\d+|\?)\)", re.DOTALL)
_DEEPEST = 64

_ACTIVITY = """
WITH wanted AS (SELECT flow_id FROM flows WHERE {condition})
SELECT process_id, count(*) AS flows, count(*) FILTER (process_contested) AS contested,
    sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received,
    count(DISTINCT remote_addr) AS remote_hosts, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM connections WHERE process_id IS NOT NULL AND flow_id IN (SELECT flow_id FROM wanted) GROUP BY process_id"""

_PROCESSES = """
SELECT process_id, host, name, pid, ppid, username, uid, exe, cmdline, cwd, started_at, lineage, container_id,
    container_name, pod, namespace
FROM processes ORDER BY process_id"""

_SUMS = ("flows", "contested", "bytes_sent", "bytes_received", "remote_hosts", "first_seen", "last_seen")

COLUMNS: dict[str, str] = {
    "depth": "INTEGER", "process": "VARCHAR", "pid": "BIGINT", "ppid": "BIGINT", "user": "VARCHAR", "host": "VARCHAR",
    "flows": "BIGINT", "contested": "BIGINT", "bytes_sent": "BIGINT", "bytes_received": "BIGINT",
    "remote_hosts": "BIGINT", "first_seen": "TIMESTAMP_NS", "last_seen": "TIMESTAMP_NS", "tree_flows": "BIGINT",
    "tree_bytes": "BIGINT", "started_at": "TIMESTAMP_NS", "exe": "VARCHAR", "cmdline": "VARCHAR", "cwd": "VARCHAR",
    "uid": "BIGINT", "lineage": "VARCHAR[]", "container_id": "VARCHAR", "container_name": "VARCHAR", "pod": "VARCHAR",
    "namespace": "VARCHAR", "process_id": "BIGINT", "parent_process_id": "BIGINT",
}  # fmt: skip
"""Columns of `process_tree` and their types; ``depth`` is 0 for those without a known parent."""


@dataclass(slots=True, eq=False)
class Node:
    """A process of the tree."""

    facts: dict[str, Any]
    """A row of `processes`; of an ancestor that only a lineage names, the name and the pid."""
    sums: dict[str, Any]
    """Its totals, by the names of `_SUMS`."""
    children: "list[Node]" = field(default_factory=list)
    parent: "Node | None" = None
    flows: int = 0
    """Flows of the process and its descendants."""
    bytes: int = 0
    """Bytes of the process and its descendants."""


def process_tree(session: "Session", text: str, scope: Scope, *, claimed: bool = False) -> tuple[ResultSet, list[str]]:
    """Processes that own flows which match a filter, each below its parent, the most bytes first.

    ``claimed`` adds those without flows. Returns the rows, and for each the lines that draw its place in the tree.
    """
    condition = compile_filter(text, scope)
    activity = session.execute(_ACTIVITY.format(condition=condition.sql), condition.params)
    sums = {row[0]: dict(zip(activity.columns[1:], row[1:], strict=True)) for row in activity.rows}
    rows: list[tuple[Any, ...]] = []
    drawn: list[str] = []
    for node, depth, stem in arrange(session, sums, every=claimed):
        rows.append(_row(node, depth))
        drawn.append(stem)
    return ResultSet(tuple(COLUMNS), tuple(COLUMNS.values()), rows, truncated=False, elapsed=0.0), drawn


def arrange(
    session: "Session", sums: Mapping[int, dict[str, Any]], *, every: bool = False
) -> Iterator[tuple[Node, int, str]]:
    """Processes with ``sums`` (or ``every`` one) and their ancestors as a tree, parents first, the most bytes first.

    Yields each with its depth and the lines that draw its place. ``sums`` are totals by the names of `_SUMS`.
    """
    processes = session.execute(_PROCESSES)
    nodes = {
        row[0]: Node(dict(zip(processes.columns, row, strict=True)), sums.get(row[0], {})) for row in processes.rows
    }
    roots = _build_trees(nodes, set(nodes) if every else set(nodes) & set(sums))
    for root in roots:
        _add_up(root)
    return _walk(roots)


def unowned(session: "Session", text: str, scope: Scope) -> tuple[int, int]:
    """Numbers of flows without an owner and of all flows that match a filter."""
    condition = compile_filter(text, scope)
    sql = f"SELECT count(*) FILTER (process_id IS NULL), count(*) FROM flows WHERE {condition.sql}"  # noqa: S608
    ownerless, total = session.execute(sql, condition.params).rows[0]
    return int(ownerless), int(total)


def _build_trees(nodes: dict[int, Node], wanted: set[int]) -> list[Node]:
    """Link the wanted processes and their ancestors; returns the roots."""
    by_pid: dict[tuple[Any, int], list[Node]] = {}
    for node in nodes.values():
        if node.facts["pid"] is not None:
            by_pid.setdefault((node.facts["host"], node.facts["pid"]), []).append(node)
    named: dict[tuple[Any, ...], Node] = {}
    roots: list[Node] = []
    placed: set[Node] = set()
    for process_id in sorted(wanted):
        node = nodes[process_id]
        for _ in range(_DEEPEST):
            if node in placed:
                break
            placed.add(node)
            parent = _parent(node, by_pid) or _ancestor(node, named)
            if parent is None or _below(parent, node):
                roots.append(node)
                break
            node.parent = parent
            parent.children.append(node)
            node = parent
        else:
            if node not in placed:
                placed.add(node)
                roots.append(node)
    return roots


def _parent(node: Node, by_pid: dict[tuple[Any, int], list[Node]]) -> Node | None:
    """Parent of a process: the last process with that pid that started before it."""
    facts = node.facts
    if facts["ppid"] is None:
        return None
    started = facts["started_at"]
    fitting = [
        other
        for other in by_pid.get((facts["host"], facts["ppid"]), [])
        if other is not node
        and (started is None or other.facts["started_at"] is None or other.facts["started_at"] <= started)
    ]
    return max(
        fitting, key=lambda other: (other.facts["started_at"] or 0, other.facts["process_id"] or 0), default=None
    )


def _ancestor(node: Node, named: dict[tuple[Any, ...], Node]) -> Node | None:
    """Nearest ancestor that the process's lineage names; it carries the rest of the lineage."""
    lineage = node.facts["lineage"] or []
    if not lineage or lineage[-1] == "…":
        return None
    key = (node.facts["host"], *lineage)
    if key not in named:
        match = _ANCESTOR.fullmatch(lineage[-1])
        name, pid = (match[1], match[2]) if match else (lineage[-1], "?")
        facts = dict.fromkeys(node.facts) | {
            "host": node.facts["host"], "name": name, "pid": None if pid == "?" else int(pid), "lineage": lineage[:-1],
        }  # fmt: skip
        named[key] = Node(facts, {})
    return named[key]


def _below(node: Node, other: Node) -> bool:
    """Whether ``node`` is below ``other``, which prevents cycles from contradictory records."""
    at: Node | None = node
    while at is not None:
        if at is other:
            return True
        at = at.parent
    return False


def _add_up(root: Node) -> None:
    """Fill in the sums of a tree, leaves first."""
    order = [root]
    for node in order:
        order.extend(node.children)
    for node in reversed(order):
        sums = node.sums
        node.flows = (sums.get("flows") or 0) + sum(child.flows for child in node.children)
        own = (sums.get("bytes_sent") or 0) + (sums.get("bytes_received") or 0)
        node.bytes = own + sum(child.bytes for child in node.children)
        node.children.sort(key=_order)


def _order(node: Node) -> tuple[Any, ...]:
    return -node.bytes, -node.flows, node.facts["name"] or "", node.facts["pid"] or 0, node.facts["process_id"] or 0


def _walk(roots: list[Node]) -> Iterator[tuple[Node, int, str]]:
    """Walk the trees, parents first: each process with its depth and the lines that draw its place."""
    waiting = [(node, 0, "", "") for node in sorted(roots, key=_order, reverse=True)]
    while waiting:
        node, depth, stem, below = waiting.pop()
        yield node, depth, stem
        for i, child in enumerate(reversed(node.children)):
            turn, on = ("└─ ", "   ") if i == 0 else ("├─ ", "│  ")
            waiting.append((child, depth + 1, below + turn, below + on))


def _row(node: Node, depth: int) -> tuple[Any, ...]:
    """Values of a process for `COLUMNS`."""
    facts = node.facts
    named = {
        **facts, **{name: node.sums.get(name) for name in _SUMS}, "depth": depth, "process": facts["name"],
        "user": facts["username"], "tree_flows": node.flows, "tree_bytes": node.bytes,
        "parent_process_id": node.parent and node.parent.facts["process_id"],
    }  # fmt: skip
    for name in ("flows", "contested", "bytes_sent", "bytes_received", "remote_hosts"):
        named[name] = named[name] or 0
    return tuple(named[name] for name in COLUMNS)
