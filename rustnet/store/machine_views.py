"""Views over the changes of a machine's routes, neighbours and sockets: one row for each route, span or socket."""

from rustnet.records import Kind

ROUTES_SQL = """CREATE OR REPLACE VIEW routes AS
SELECT c.capture_id, c.route, c.ts AS first_seen, CASE WHEN c.change = 'added' THEN c.ts END AS added_at,
    r.ts AS removed_at, c.routing_table, c.destination, c.gateway, c.interface_name, c.metric, c.type, c.protocol,
    c.preferred_source, c.from_network, c.tos, c.weight
FROM route_changes c
LEFT JOIN route_changes r ON r.capture_id = c.capture_id AND r.route = c.route AND r.change = 'removed'
WHERE c.change <> 'removed'"""

NEIGHBOURS_SQL = """CREATE OR REPLACE VIEW neighbours AS
SELECT capture_id, ip, mac, interface_name, ifindex, state, router, ts AS since, lead(ts) OVER own AS until
FROM neighbour_changes
WINDOW own AS (PARTITION BY capture_id, ifindex, ip ORDER BY ts, rowid)
QUALIFY change <> 'removed'"""

SAME_START_NS = 1_000_000_000
"""Start times of one pid this close are the same start, as for claims."""

_CHANGED = (
    "protocol", "local_addr", "local_num", "local_port", "remote_addr", "remote_num", "remote_port", "listening",
    "state", "ipv6_only", "uid", "inode", "pid", "process_name", "process_started_at", "exe", "cmdline", "username",
    "holders", "holder_count", "network_namespace",
)  # fmt: skip
"""Columns that the view shows as of the last change."""


def sockets_sql(until: str = "TRUE", left: str = "TRUE") -> str:
    """SELECT of sockets as of the last change for which ``until`` holds; ``left`` is a condition over each socket.

    Only numbers are grouped: there may be millions of changes.
    """
    return f"""WITH ends AS (
    SELECT capture_id, socket, max(rowid) FILTER ({until}) AS latest, min(ts) AS first_seen,
        min(ts) FILTER (change = 'opened') AS opened_at, min(looked_before) FILTER (change = 'opened') AS opened_after,
        max(ts) FILTER (change = 'closed') AS closed_at
    FROM socket_changes GROUP BY capture_id, socket HAVING latest IS NOT NULL AND ({left})
), started AS (
    SELECT pid, process_id, epoch_ns(started_at) AS at FROM processes
    WHERE pid IS NOT NULL AND started_at IS NOT NULL AND (host IS NULL OR host IN (SELECT hostname FROM machine))
), holding AS (
    SELECT DISTINCT pid, process_started_at, epoch_ns(process_started_at) AS at FROM socket_changes
    WHERE pid IS NOT NULL AND process_started_at IS NOT NULL
), owner AS (
    SELECT h.pid, h.process_started_at, s.process_id
    FROM holding h ASOF JOIN started s ON s.pid = h.pid AND h.at + {SAME_START_NS} >= s.at
    WHERE s.at >= h.at - {SAME_START_NS}
)
SELECT e.capture_id, e.socket, e.first_seen, e.opened_at, e.opened_after, e.closed_at,
    {", ".join(f"c.{name}" for name in _CHANGED)}, o.process_id
FROM ends e JOIN socket_changes c ON c.rowid = e.latest
LEFT JOIN owner o ON o.pid = c.pid AND o.process_started_at = c.process_started_at"""  # noqa: S608 - our own columns


SOCKETS_SQL = f"CREATE OR REPLACE VIEW sockets AS\n{sockets_sql()}"

ROUTES_RULE = (
    "Routes of the machine that a live capture was taken on, one row each, from route_changes: when each was seen "
    "first, added and removed."
)
NEIGHBOURS_RULE = (
    "Hardware addresses that the machine of a live capture knew of its neighbours, from neighbour_changes: one row for "
    "each span in which nothing changed."
)
SOCKETS_RULE = (
    "Sockets of the machine that a live capture was taken on, one row each, from socket_changes: when each was opened "
    "and closed, its state and the process that held it, of those that changed the last. The machine's sockets were "
    "looked at every 5 seconds. process_id is the process with this pid that started within a second of the holder, "
    "of several the last."
)

Computed = dict[str, tuple[Kind, str]]

ROUTES_COMPUTED: Computed = {
    "first_seen": (Kind.TIME, "When it was seen first (the machine's clock)."),
    "added_at": (Kind.TIME, "When it was added; NULL if it was there when the recording began."),
    "removed_at": (Kind.TIME, "When it was removed; NULL if it was there to the end."),
}
NEIGHBOURS_COMPUTED: Computed = {
    "since": (Kind.TIME, "When this was so first (the machine's clock)."),
    "until": (Kind.TIME, "When that changed; NULL if it was so to the end."),
}
SOCKETS_COMPUTED: Computed = {
    "first_seen": (Kind.TIME, "When it was seen first (the machine's clock)."),
    "opened_at": (Kind.TIME, "When it was seen first, if it was opened during the recording; else NULL."),
    "opened_after": (Kind.TIME, "When the sockets were looked at before that: it was opened after this."),
    "closed_at": (Kind.TIME, "When it was not there any more; NULL if it was open to the end."),
    "process_id": (Kind.KEY, "The process that held it: `processes.process_id`; NULL if that has no row there."),
}
