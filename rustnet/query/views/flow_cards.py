"""The cards of a flow's page: which rows each protocol has, and where their values come from."""

import typing
from collections.abc import Iterable, Mapping, Sequence

from rustnet.i18n import marked
from rustnet.query.detail import APP_TEMPLATES, Fields
from rustnet.query.views.flow_page import Card, Form, Known, Row, Value
from rustnet.records import Kind
from rustnet.store.meanings import kind_of

APP_TABLES = {"http2": "http", "mdns": "dns", "llmnr": "dns", "dtls": "tls", "ipsec": "ike", "icmpv6": "icmp"}
"""Table of an application whose name is not its table's."""

APP_COLUMNS: dict[str, tuple[str, ...]] = {
    "tls": ("sni", "version", "cipher", "alpn", "key_group", "resumed", "ech", "established", "alert", "subject",
            "issuer", "sans", "not_before", "not_after", "self_signed", "cert_sha256", "ja3", "ja3s", "ja4"),
    "quic": ("sni", "version", "alpn", "cipher", "key_group", "user_agent", "established", "retry", "ech", "close_code",
             "close_reason", "ja3", "ja4"),
    "http": ("method", "host", "uri", "version", "status", "user_agent", "server", "content_type", "referer",
             "location", "request_bytes", "response_bytes", "grpc_status", "request_oddities", "response_oddities"),
    "dns": ("query", "qtype", "rcode", "answers", "cnames", "transport", "ttl", "tries", "authoritative", "truncated"),
    "ssh": ("client_software", "server_software", "kex", "host_key", "cipher", "mac", "compression", "established",
            "hassh", "hassh_server"),
    "dhcp": ("message", "hostname", "client_mac", "requested_ip", "assigned_ip", "server_ip", "routers", "dns_servers",
             "lease_seconds", "domain", "vendor_class", "parameters"),
    "icmp": ("message", "reason", "icmp_type", "icmp_code", "icmp_id", "mtu", "target", "quoted_protocol",
             "quoted_src_ip", "quoted_dst_ip", "quoted_dst_port", "about_flow_id"),
    "smb": ("command", "dialect", "share", "filename", "username", "domain", "workstation", "server_name", "result",
            "encrypted"),
    "ntp": ("version", "mode", "stratum", "leap", "reference_id", "clock_offset_ms", "root_delay_ms"),
}  # fmt: skip
"""Columns that the card *Application* shows of a protocol's table; of any other table the first `COLUMNS_SHOWN`."""

COLUMNS_SHOWN = 10

RESPONSE_COLUMNS = ("response_ms", "rtt_ms", "answer_ms", "server_hello_ms")
"""Columns of protocols with the time of a response; a table has one or two of them."""

ICMP_TRANSPORT = ("rtt_ms", "icmp_seq")
"""Columns of `icmp` that the card *Transport* shows."""


def _flow(known: Known, name: str) -> Value:
    """A column of the flow."""
    kind = kind_of("flows", name)
    sql_type = "TIMESTAMP_NS" if kind is Kind.TIME else ""
    return Value(known.flow.get(name), name, kind, sql_type)


def _one(known: Known, name: str, label: str, *names: str, **more: typing.Any) -> Row:
    """A row of columns of the flow, by default of the one that it is named for."""
    return Row(name, label, tuple(_flow(known, each) for each in names or (name,)), **more)


def _sides(known: Known, name: str, label: str) -> Row:
    """A row with a column of the local end and of the remote one."""
    local, remote = _ends(known)
    return Row(name, label, (_flow(known, f"{local}_{name}"), _flow(known, f"{remote}_{name}")), "sides")


def _ends(known: Known) -> tuple[str, str]:
    return ("dst", "src") if known.local_is_dst else ("src", "dst")


def cards(known: Known) -> tuple[Card, ...]:
    """All cards of a flow."""
    return (
        Card("connection", marked("Connection"), tuple(_connection(known))),
        Card("network", marked("Network"), tuple(_network(known))),
        Card("ownership", marked("Ownership"), tuple(_ownership(known))),
        Card("application", marked("Application"), tuple(_application(known))),
        Card("transport", marked("Transport"), tuple(_transport(known))),
        Card("traffic", marked("Traffic"), tuple(_traffic(known))),
        Card("related", marked("Related"), known.related),
    )


def _connection(known: Known) -> Iterable[Row]:
    f = known.flow
    local, remote = _ends(known)
    yield _one(known, "flow_id", marked("flow"))
    yield _one(known, "capture_id", marked("capture"))
    yield _one(known, "protocol", marked("protocol"))
    for side, label in ((local, marked("local")), (remote, marked("remote"))):
        # Below layer 3 the ends are hardware addresses.
        names = (f"{side}_ip", f"{side}_port") if f["src_ip"] or f["dst_ip"] else (f"{side}_mac",)
        yield Row("local" if side == local else "remote", label, tuple(_flow(known, n) for n in names), "end")
    yield _one(known, "direction", marked("direction"))
    yield _one(known, "state", marked("state"), "state", "app_state")
    yield _one(known, "conn_state", marked("Zeek's state"), "conn_state", "history")
    yield _one(known, "started_at", marked("first packet"))
    yield _one(known, "ended_at", marked("last packet"))
    lasted = (f["ended_at"] - f["started_at"]) / 1e9 if f["ended_at"] is not None else None
    yield Row("lasted", marked("lasted"), (Value(lasted, "duration", Kind.DURATION),))
    yield _one(known, "end_reason", marked("ended"), "end_reason", "closed_at")
    yield _one(known, "community_id", marked("Community ID"))
    yield _one(known, "first_packet", marked("first packet's number"), packet=f["first_packet"])
    yield _one(known, "generation", marked("earlier conversations"))


def _network(known: Known) -> Iterable[Row]:
    local, remote = _ends(known)
    for side, prefix in ((local, "local"), (remote, "remote")):
        yield _name(known, side, prefix)
        yield _hardware(known, side, prefix)
        place = known.addresses.get(known.flow[f"{side}_ip"], {})
        scope = Value(place.get("scope"), "addresses.scope", kind_of("addresses", "scope"))
        yield Row(f"{prefix}_scope", _SIDE_LABELS["scope"][prefix], (scope,))
        yield _one(known, f"{prefix}_place", _SIDE_LABELS["place"][prefix], f"{side}_country", f"{side}_city",
                   source=place.get("country_source") or "")  # fmt: skip
        yield _one(known, f"{prefix}_as", _SIDE_LABELS["as"][prefix], f"{side}_asn", f"{side}_as_name",
                   source=place.get("asn_source") or "")  # fmt: skip
    yield _one(known, "proxied_src_ip", marked("proxied client"), "proxied_src_ip", "proxied_src_port")
    yield _one(known, "vlan_id", marked("VLAN of the initiator"), "outer_vlan_id", "vlan_id")
    yield _one(known, "dst_vlan_id", marked("VLAN of the responder"), "dst_outer_vlan_id", "dst_vlan_id")
    yield _one(known, "interface", marked("interface"))


_SIDE_LABELS = {
    "name": {"local": marked("local name"), "remote": marked("remote name")},
    "mac": {"local": marked("local hardware"), "remote": marked("remote hardware")},
    "scope": {"local": marked("local scope"), "remote": marked("remote scope")},
    "place": {"local": marked("local country"), "remote": marked("remote country")},
    "as": {"local": marked("local AS"), "remote": marked("remote AS")},
}


def _name(known: Known, side: str, prefix: str) -> Row:
    """Name of an end: of the responder the flow's, else what the host states of itself."""
    label = _SIDE_LABELS["name"][prefix]
    f = known.flow
    if side == "dst" and f["hostname"]:
        return Row(f"{prefix}_name", label, (_flow(known, "hostname"),), source=f["hostname_source"] or "",
                   learned_at=f["hostname_ts"])  # fmt: skip
    fact = _fact(known, "hostname", "ip", f[f"{side}_ip"])
    value = Value(fact.get("value"), "hostname" if side == "dst" else "host_facts.value", Kind.HOST)
    return Row(f"{prefix}_name", label, (value,), source=fact.get("source") or "", learned_at=fact.get("first_seen"))


def _hardware(known: Known, side: str, prefix: str) -> Row:
    mac = known.flow[f"{side}_mac"]
    fact = _fact(known, "vendor", "mac", mac)
    values = (_flow(known, f"{side}_mac"), Value(fact.get("value"), "hosts.vendor", kind_of("hosts", "vendor")))
    return Row(f"{prefix}_mac", _SIDE_LABELS["mac"][prefix], values, source=fact.get("source") or "")


def _fact(known: Known, fact: str, column: str, of: str | None) -> Fields:
    """The statement about an address or hardware address that was made most often."""
    return next((row for row in known.facts if of is not None and row["fact"] == fact and row[column] == of), {})


def _ownership(known: Known) -> Iterable[Row]:
    f, process, won = known.flow, known.process, known.won or {}

    def of_process(label: str, *names: str, form: Form = "one") -> Row:
        values = tuple(
            Value(process.get(name), f"processes.{name}", kind_of("processes", name),
                  "TIMESTAMP_NS" if name == "started_at" else "")
            for name in names
        )  # fmt: skip
        return Row(names[0], label, values, form)

    def of_claim(label: str, *names: str) -> Row:
        return Row(names[0], label, tuple(
            Value(won.get(name), f"claims.{name}", kind_of("claims", name)) for name in names
        ), learned_at=won.get("observed_at"))  # fmt: skip

    owner = of_process(marked("process"), "name", "pid", form="process")
    yield Row(owner.name, owner.label, owner.values, owner.form, source=f["process_source"] or "",
              learned_at=won.get("observed_at"))  # fmt: skip
    yield of_process(marked("parent"), "ppid")
    yield of_process(marked("process tree"), "lineage")
    yield of_process(marked("executable"), "exe")
    yield of_process(marked("command line"), "cmdline")
    yield of_process(marked("working directory"), "cwd")
    yield of_process(marked("user"), "username", "uid", "gid", form="user")
    yield of_process(marked("started"), "started_at")
    yield of_process(marked("on host"), "host")
    yield of_process(marked("pod"), "pod", "namespace")
    yield of_process(marked("container"), "container_name", "container_id")
    yield of_process(marked("image"), "container_image")
    yield of_process(marked("container runtime"), "container_runtime")
    yield of_process(marked("systemd unit"), "systemd_unit")
    yield of_process(marked("control group"), "cgroup")
    yield of_process(marked("security label"), "lsm_label")
    yield of_process(marked("capabilities"), "capabilities")
    yield of_claim(marked("claimed by"), "source", "quality", "rank")
    yield of_claim(marked("matched by"), "match")
    yield of_claim(marked("evidence"), "evidence")
    yield _one(known, "process_contested", marked("contested"))
    yield _one(known, "unowned_reason", marked("no owner because"))


def application_table(flow: Fields, messages: Mapping[str, int]) -> str:
    """Table of a flow's application; of a flow without one that of most of its messages."""
    app: str | None = flow["app"]
    if app:
        return APP_TABLES.get(app, app)
    return max(messages, key=lambda table: messages[table], default="")


def _application(known: Known) -> Iterable[Row]:
    f = known.flow
    yield _one(known, "app", marked("application"), source=f["app_source"] or "",
               template=APP_TEMPLATES.get(f["app_source"] or "", ""))  # fmt: skip
    yield _one(known, "service", marked("service of the port"))
    table = known.table
    count = known.messages.get(table, 0)
    yield Row("messages", marked("messages"), (Value(count, "", Kind.COUNT),))
    for name in known.columns:
        if name not in RESPONSE_COLUMNS and not (table == "icmp" and name in ICMP_TRANSPORT):
            yield _first(known, table, name)


def application_columns(table: str, existing: Sequence[str]) -> tuple[str, ...]:
    """Columns of a protocol's table that the cards show, with those about the time of responses."""
    chosen = APP_COLUMNS.get(table) or tuple(name for name in existing if name not in RESPONSE_COLUMNS)[:COLUMNS_SHOWN]
    others = (*RESPONSE_COLUMNS, *(ICMP_TRANSPORT if table == "icmp" else ()))
    return tuple(dict.fromkeys((*chosen, *(name for name in others if name in existing))))


def _first(known: Known, table: str, name: str) -> Row:
    """First value of a column among the messages, with a remark if there are others."""
    first = known.fields.get(name)
    kind = kind_of(table, name)
    value = Value(None if first is None else first.value, f"{table}.{name}", kind,
                  "TIMESTAMP_NS" if kind is Kind.TIME else "")  # fmt: skip
    if first is None:
        return Row(f"{table}.{name}", name, (value,))
    remark = ""
    if first.several:
        remark = marked("the first of several values")
    elif known.more_messages:
        remark = marked("the first value; later messages may have others")
    return Row(f"{table}.{name}", name, (value,), source=table, learned_at=first.ts, remark=remark, packet=first.packet)


def _transport(known: Known) -> Iterable[Row]:
    f = known.flow
    if f["protocol"] == "tcp":
        yield _one(known, "handshake_rtt_ms", marked("handshake round trip"))
        yield _one(known, "rtt_ms", marked("smoothed round trip"))
        yield _one(known, "min_rtt_ms", marked("smallest round trip"))
        yield _one(known, "open_ms", marked("opened after"))
        yield _one(known, "syn_tries", marked("SYNs"))
        yield _sides(known, "retransmissions", marked("retransmissions"))
        yield _sides(known, "fast_retransmissions", marked("fast retransmissions"))
        yield _sides(known, "out_of_order", marked("out of order"))
        yield _sides(known, "duplicate_acks", marked("duplicate ACKs"))
        yield _sides(known, "zero_windows", marked("zero windows"))
        yield _sides(known, "missed_bytes", marked("missing from the capture"))
        yield _sides(known, "flags", marked("flags"))
    elif f["protocol"] in ("icmp", "icmpv6"):
        yield _one(known, "icmp_type", marked("type and code"), "icmp_type", "icmp_code")
        yield _one(known, "icmp_id", marked("echo identifier"))
        for name in ICMP_TRANSPORT:
            yield _first(known, "icmp", name)
    table = known.table
    if f["protocol"] not in ("icmp", "icmpv6"):
        for name in RESPONSE_COLUMNS:
            if name in known.columns:
                yield _first(known, table, name)
    yield _sides(known, "ttl", marked("smallest TTL"))
    yield _one(known, "fragments", marked("IP fragments"))
    yield _one(known, "idle_timeout_ms", marked("idle timeout"))


def _traffic(known: Known) -> Iterable[Row]:
    f = known.flow
    yield _sides(known, "bytes", marked("bytes sent"))
    yield _sides(known, "packets", marked("packets sent"))
    yield _sides(known, "payload", marked("payload sent"))
    if "src_rate" in f:
        local, remote = _ends(known)
        rates = tuple(Value(f[f"{side}_rate"], "", Kind.BYTES) for side in (local, remote))
        yield Row("rate", marked("bytes per second, last 10 s"), rates, "sides")
    else:
        yield _mean(known)
    yield _one(known, "duplicates", marked("copies"))


def _mean(known: Known) -> Row:
    """Mean rates over the whole flow; unknown for a flow of one moment."""
    f = known.flow
    seconds = (f["ended_at"] - f["started_at"]) / 1e9
    local, remote = _ends(known)
    rates = tuple(
        Value(f[f"{side}_bytes"] / seconds if seconds > 0 else None, "", Kind.BYTES) for side in (local, remote)
    )
    return Row("rate", marked("bytes per second, mean"), rates, "sides")
