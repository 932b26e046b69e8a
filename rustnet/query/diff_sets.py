"""What two sides of a comparison consist of: kinds of items, and the SQL that lists those of one side in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rustnet.i18n import N_
from rustnet.query.matching import ALWAYS, Condition

if TYPE_CHECKING:
    from rustnet.query.compile import Scope

FACTS = 4
"""Most hardware addresses, and statements about the system, of one host that are compared."""
COPY_NS = 20_000_000
"""Time after a flow's end within which copies of its packets may come, as in the engine."""

COLUMNS = (
    "item", "detail", "first_process", "last_process", "number", "bytes", "first_seen", "last_seen", "flow_id",
    "is_external", "unowned", "facts",
)  # fmt: skip
"""Columns of a side's rows."""


@dataclass(frozen=True, slots=True)
class ItemKind:
    """One kind of items that are compared."""

    name: str
    text: str
    """What an item is."""
    detail: str
    """What the column ``detail`` holds; empty: nothing."""
    counted: str
    """What is counted: ``flows``, or messages of this kind."""
    weight: float
    """Bits that are added to the surprise of a new or gone item."""
    needs: tuple[str, ...]
    """Columns without which a session has no such items."""
    sql: str
    """SELECT of its items, over ``x`` (flows of the side) and tables."""
    evidence: bool = False
    """A side without any such item lacks the evidence, so that nothing can be called new or gone."""


_COUNTED = """count(*) AS number, sum(x.bytes)::BIGINT AS bytes, epoch_ns(min(x.first_seen)) AS first_seen,
    epoch_ns(max(x.last_seen)) AS last_seen, min(x.flow_id) AS flow_id,
    coalesce(bool_or(x.direction IN ('outbound', 'external')), false) AS is_external,
    count(*) FILTER (x.process_id IS NULL) AS unowned"""
_OWNERS = "min(p.name) AS first_process, max(p.name) AS last_process"
_NO_OWNERS = "NULL AS first_process, NULL AS last_process"


def _of_flows(item: str, detail: str = "NULL", where: str = "", *, owners: bool = True) -> str:
    """SELECT of items that are properties of flows."""
    return f"""SELECT {item} AS item, {detail} AS detail, {_OWNERS if owners else _NO_OWNERS}, {_COUNTED},
    NULL::VARCHAR[] AS facts
    FROM x LEFT JOIN processes AS p ON p.process_id = x.process_id
    WHERE {item} IS NOT NULL{where} GROUP BY {item}"""  # noqa: S608 -- our columns


def _of_messages(tables: Sequence[str], item: str, detail: str = "NULL") -> str:
    """SELECT of items that are properties of messages; they are counted, and have no bytes."""
    columns = f"flow_id, ts, {item} AS item, {detail} AS detail"
    source = " UNION ALL ".join(f"SELECT {columns} FROM {table} WHERE {item} IS NOT NULL" for table in tables)  # noqa: S608
    return f"""SELECT m.item, min(m.detail) AS detail, {_OWNERS}, count(*) AS number, NULL::BIGINT AS bytes,
    epoch_ns(min(m.ts)) AS first_seen, epoch_ns(max(m.ts)) AS last_seen, min(x.flow_id) AS flow_id,
    coalesce(bool_or(x.direction IN ('outbound', 'external')), false) AS is_external,
    count(*) FILTER (x.process_id IS NULL) AS unowned, NULL::VARCHAR[] AS facts
    FROM ({source}) AS m JOIN x ON x.flow_id = m.flow_id
    LEFT JOIN processes AS p ON p.process_id = x.process_id
    WHERE {{during}} GROUP BY m.item"""  # noqa: S608 -- our tables and columns


_ENDS = """SELECT src_ip AS ip, src_mac AS mac, * FROM x WHERE src_sent AND (direction IN ('outbound', 'internal')
        OR (direction IN ('multicast', 'broadcast') AND regexp_matches(src_ip,
            '^(10[.]|192[.]168[.]|172[.](1[6-9]|2[0-9]|3[01])[.]|169[.]254[.]|f[cd][0-9a-f]{{2}}:|fe[89ab][0-9a-f]:)')))
    UNION ALL BY NAME
    SELECT dst_ip AS ip, dst_mac AS mac, * FROM x WHERE dst_sent AND direction IN ('inbound', 'internal')"""
"""Ends of flows that sent packets and have a private or link-local address; ``ip`` may be NULL."""

_HOSTS = f"""SELECT x.ip AS item, min(x.mac) AS detail, {_OWNERS}, {_COUNTED},
    list_transform(min(DISTINCT x.mac, {FACTS}), lambda m: 'mac: ' || m) || {{systems}} AS facts
    FROM ({_ENDS}) AS x LEFT JOIN processes AS p ON p.process_id = x.process_id {{join}}
    WHERE x.ip IS NOT NULL GROUP BY x.ip"""  # noqa: S608 -- our columns

KINDS: dict[str, ItemKind] = {
    kind.name: kind
    for kind in (
        ItemKind("process", N_("name of a process that owns flows"), N_("its executable"), "flows", 6, (),
                 _of_flows("p.name", "min(p.exe)", owners=False), evidence=True),
        ItemKind("executable", N_("path of the executable of a process that owns flows"), N_("name of the process"),
                 "flows", 6, ("processes.exe",), _of_flows("p.exe", "min(p.name)", owners=False), evidence=True),
        ItemKind("user", N_("user of a process that owns flows"), "", "flows", 4, ("processes.username",),
                 _of_flows("p.username"), evidence=True),
        ItemKind("host", N_("address of a local host that sent packets"), N_("its hardware address"), "flows", 3, (),
                 _HOSTS),
        ItemKind("device", N_("hardware address that sent packets"), N_("an address that it used"), "flows", 4, (),
                 f"""SELECT x.mac AS item, min(x.ip) AS detail, {_OWNERS}, {_COUNTED}, NULL::VARCHAR[] AS facts
    FROM (SELECT src_ip AS ip, src_mac AS mac, * FROM x WHERE src_sent UNION ALL BY NAME
        SELECT dst_ip AS ip, dst_mac AS mac, * FROM x WHERE dst_sent) AS x
    LEFT JOIN processes AS p ON p.process_id = x.process_id WHERE x.mac IS NOT NULL GROUP BY x.mac"""),  # noqa: S608
        ItemKind("destination", N_("address that flows go to"), N_("one of its names"), "flows", 0, (),
                 _of_flows("x.dst_ip", "min(x.hostname)", " AND x.protocol <> 'arp'")),
        ItemKind("name", N_("name of a host that flows go to"), N_("one of its addresses"), "flows", 1, (),
                 _of_flows("lower(x.hostname)", "min(x.dst_ip)")),
        ItemKind("service", N_("transport protocol and port that flows go to"), N_("service of the well-known port"),
                 "flows", 2, (), _of_flows("x.protocol || '/' || x.dst_port", "min(x.service)")),
        ItemKind("app", N_("application protocol, if it is not guessed from a port"), "", "flows", 3, (),
                 _of_flows("x.app", where=" AND x.app_source IS DISTINCT FROM 'port'")),
        ItemKind("country", N_("country that flows go to"), "", "flows", 3, ("flows.dst_country",),
                 _of_flows("x.dst_country"), evidence=True),
        ItemKind("as", N_("autonomous system that flows go to"), N_("its name"), "flows", 1,
                 ("flows.dst_asn", "flows.dst_as_name"), _of_flows("'AS' || x.dst_asn", "min(x.dst_as_name)"),
                 evidence=True),
        ItemKind("dns", N_("name that was asked for or answered in DNS, mDNS or LLMNR"), "", "messages", 0,
                 ("dns.query",), _of_messages(("dns",), "lower(query)")),
        ItemKind("ja4", N_("JA4 fingerprint of a TLS or QUIC client"), N_("a name that it asked for"), "messages", 3,
                 ("tls.ja4", "tls.sni", "quic.ja4", "quic.sni"), _of_messages(("tls", "quic"), "ja4", "sni")),
        ItemKind("certificate", N_("SHA-256 of a TLS server's certificate seen in the clear"), N_("its subject"),
                 "messages", 4, ("tls.cert_sha256", "tls.subject"), _of_messages(("tls",), "cert_sha256", "subject")),
        ItemKind("user_agent", N_("software that HTTP, QUIC, RTSP, SIP or SSDP clients state"), "", "messages", 2,
                 tuple(f"{table}.user_agent" for table in ("http", "quic", "rtsp", "sip", "ssdp")),
                 _of_messages(("http", "quic", "rtsp", "sip", "ssdp"), "user_agent")),
    )
}  # fmt: skip
"""Kinds of items, in the order in which they are compared: processes first, because others refer to them."""

_PLAIN = """flow_id, process_id, protocol, src_ip, src_mac, dst_ip, dst_mac, dst_port, service, hostname, app,
    app_source, coalesce(direction, '') AS direction, src_packets > 0 AS src_sent, dst_packets > 0 AS dst_sent,
    src_bytes + dst_bytes AS bytes, started_at AS first_seen, ended_at AS last_seen{more}"""


def missing(kind: ItemKind, scope: "Scope") -> list[str]:
    """Columns that a session lacks for a kind."""
    return [need for need in kind.needs if not scope.has(*need.split("."))]


def _within(start: int | None, end: int | None) -> tuple[str, str]:
    """Conditions: a flow overlaps the range; one that does reaches beyond it."""
    overlaps, beyond = ["true"], ["false"]
    if start is not None:
        overlaps.append(f"ended_at >= make_timestamp_ns({start})")
        beyond.append(f"started_at < make_timestamp_ns({start})")
    if end is not None:
        overlaps.append(f"started_at < make_timestamp_ns({end})")
        beyond.append(f"ended_at >= make_timestamp_ns({end - COPY_NS})")
    return " AND ".join(overlaps), " OR ".join(beyond)


def during(column: str, start: int | None, end: int | None) -> str:
    """Condition that a time lies in the range."""
    conditions = ["true"]
    if start is not None:
        conditions.append(f"{column} >= make_timestamp_ns({start})")
    if end is not None:
        conditions.append(f"{column} < make_timestamp_ns({end})")
    return " AND ".join(conditions)


def flows_of(start: int | None, end: int | None, condition: Condition, scope: "Scope") -> str:
    """WITH clause of ``x``, the flows of a side, with what they did within the range.

    A flow belongs to a range if it overlaps it. What it did there is counted from the packets if it reaches beyond the
    range, which few flows do.
    """
    optional = [name for name in ("dst_country", "dst_asn", "dst_as_name") if scope.has("flows", name)]
    plain = _PLAIN.format(more="".join(f", {name}" for name in optional))
    overlaps, beyond = _within(start, end)
    steps, base = [], f"flows WHERE {overlaps}"
    if condition != ALWAYS:
        steps.append(f"chosen AS MATERIALIZED (SELECT flow_id FROM flows WHERE {overlaps} AND {condition.sql})")  # noqa: S608
        base = f"flows SEMI JOIN chosen USING (flow_id) WHERE {overlaps}"
    if start is None and end is None:
        steps.append(f"x AS NOT MATERIALIZED (SELECT {plain} FROM {base})")  # noqa: S608 -- our columns
        return "WITH " + ",\n".join(steps)
    steps.append(f"""clip AS MATERIALIZED (
    SELECT p.flow_id, sum(p.length)::BIGINT AS bytes, min(p.ts) AS first_seen, max(p.ts) AS last_seen,
        bool_or(p.from_src) AS src_sent, bool_or(NOT p.from_src) AS dst_sent
    FROM packets AS p SEMI JOIN (SELECT flow_id FROM {base} AND ({beyond})) AS b ON b.flow_id = p.flow_id
    LEFT JOIN (SELECT capture_id FROM captures WHERE without_duplicates) AS w ON w.capture_id = p.capture_id
    WHERE {during("p.ts", start, end)} AND NOT (p.duplicate AND w.capture_id IS NOT NULL)
    GROUP BY p.flow_id
)""")  # noqa: S608 -- our columns
    steps.append(f"""x AS NOT MATERIALIZED (
    SELECT {plain} FROM {base} AND NOT ({beyond})
    UNION ALL BY NAME
    SELECT f.* EXCLUDE (bytes, first_seen, last_seen, src_sent, dst_sent), coalesce(c.bytes, 0) AS bytes, c.first_seen,
        c.last_seen, coalesce(c.src_sent, false) AS src_sent, coalesce(c.dst_sent, false) AS dst_sent
    FROM (SELECT {plain} FROM {base} AND ({beyond})) AS f LEFT JOIN clip AS c ON c.flow_id = f.flow_id
)""")  # noqa: S608 -- our columns
    return "WITH " + ",\n".join(steps)


def items_sql(kind: ItemKind, start: int | None, end: int | None, condition: Condition, scope: "Scope") -> str:
    """Statement that lists a side's items of one kind, in the order of their text."""
    sql = kind.sql
    if kind.name == "host":
        facts = [f"host_facts.{name}" for name in ("ip", "fact", "value", "source", "first_seen", "last_seen")]
        has_facts = all(scope.has(*fact.split(".")) for fact in facts)
        sql = sql.format(
            systems="coalesce(any_value(s.systems), [])" if has_facts else "[]",
            join=_systems(start, end) if has_facts else "",
        )
    elif "{during}" in sql:
        sql = sql.format(during=during("m.ts", start, end))
    return f"{flows_of(start, end, condition, scope)}\nSELECT {', '.join(COLUMNS)} FROM ({sql}) ORDER BY item"


def _systems(start: int | None, end: int | None) -> str:
    """JOIN of what sources state about the systems of addresses."""
    conditions = ["fact = 'operating_system'", "ip IS NOT NULL"]
    if start is not None:
        conditions.append(f"last_seen >= make_timestamp_ns({start})")
    if end is not None:
        conditions.append(f"first_seen < make_timestamp_ns({end})")
    return f"""LEFT JOIN (
        SELECT ip, min(DISTINCT 'os by ' || source || ': ' || value, {FACTS}) AS systems FROM host_facts
        WHERE {" AND ".join(conditions)} GROUP BY ip) AS s ON s.ip = x.ip"""  # noqa: S608 -- our columns


def totals_sql(start: int | None, end: int | None, condition: Condition, scope: "Scope") -> str:
    """Statement with a side's flows, those with an owner, and bytes."""
    return f"""{flows_of(start, end, condition, scope)}
SELECT count(*), count(process_id), coalesce(sum(bytes), 0)::BIGINT, epoch_ns(min(first_seen)),
    epoch_ns(max(last_seen)) FROM x"""  # noqa: S608 -- our columns


SPANS_SQL = """SELECT epoch_ns(coalesce(c.first_ts, f.first_seen)), epoch_ns(greatest(c.last_ts, f.last_seen)),
    c.finished
FROM captures AS c LEFT JOIN (
    SELECT capture_id, min(started_at) AS first_seen, max(ended_at) AS last_seen FROM flows GROUP BY capture_id
) AS f USING (capture_id)
WHERE coalesce(c.first_ts, f.first_seen) IS NOT NULL"""
"""Time that each capture covers; while it is being read, what its flows show."""
