"""Events of DNS messages, HTTP transactions and TLS handshakes."""

import re
from collections.abc import Callable, Iterator, Sequence

from rustnet.export.answers import ANSWER_COLUMNS, answer_records
from rustnet.export.ecs.common import FLOW_COLUMNS, Common, is_address, line, moment, nanoseconds
from rustnet.export.har import url
from rustnet.export.timeline import Fields, Source, present

_HEADER_FLAGS = ((0x400, "AA"), (0x200, "TC"), (0x100, "RD"), (0x80, "RA"), (0x20, "AD"), (0x10, "CD"))
_VERSION = re.compile(r"(SSL|TLS|DTLS) (\d.*)")
_PORT = re.compile(r":(\d{1,5})$")


def message_sources(common: Common) -> list[Source]:
    """Return the tables that the schema has fields for."""
    return [
        _source(common, "dns", ["network"], ["protocol"], _DNS, _dns),
        _source(common, "http", ["network", "web"], ["access", "protocol"], _HTTP, _http),
        _source(common, "tls", ["network"], ["protocol"], _TLS, _tls),
    ]


def _source(
    common: Common,
    table: str,
    categories: list[str],
    types: list[str],
    columns: Sequence[str],
    fill: Callable[[Fields, Fields], None],
) -> Source:
    def texts(row: Fields) -> Iterator[str]:
        made = common.event(row, table, categories, types)
        fill(made, row)
        yield line(made)

    return Source(table, "ts", texts, columns=columns, flow=FLOW_COLUMNS)


def _related(made: Fields, *hosts: str | None) -> None:
    """Add hosts that the event is related to."""
    named = [*made["related"].get("hosts", ()), *(host for host in hosts if host)]
    if named:
        made["related"]["hosts"] = list(dict.fromkeys(named))


# ---- DNS -------------------------------------------------------------------------------------------------------------

_DNS = (*ANSWER_COLUMNS, "qtype", "qclass", "rcode", "response", "transport", "txid", "rtt_ms", "opcode", "flags",
        "dnssec_ok")  # fmt: skip


def _dns(made: Fields, row: Fields) -> None:
    """One message."""
    flags = row["flags"] or 0
    header = [name for bit, name in _HEADER_FLAGS if flags & bit]
    if row["dnssec_ok"]:
        header.append("DO")
    records = answer_records(row)
    answers = [
        present({"name": each.get("rrname"), "type": each.get("rrtype"), "ttl": each.get("ttl"),
                 "data": each.get("rdata")})
        for each in records
    ]  # fmt: skip
    addresses = [
        each["rdata"] for each in records if each.get("rrtype") in ("A", "AAAA") and is_address(each.get("rdata"))
    ]
    made["dns"] = present({
        "type": "answer" if row["response"] else "query",
        "id": None if row["txid"] is None else str(row["txid"]),
        "op_code": row["opcode"],
        "question": present({"name": row["query"], "type": row["qtype"], "class": row["qclass"]}),
        "header_flags": header,
        "response_code": row["rcode"],
        "answers": answers,
        "resolved_ip": list(dict.fromkeys(addresses)),
    })  # fmt: skip
    made["network"]["protocol"] = row["transport"]
    _duration(made, row["rtt_ms"])
    _related(made, row["query"])
    if addresses:
        made["related"]["ip"] = list(dict.fromkeys([*made["related"].get("ip", ()), *addresses]))


def _duration(made: Fields, ms: float | None) -> None:
    duration = nanoseconds(ms)
    if duration is not None:
        made["event"]["duration"] = duration


# ---- HTTP ------------------------------------------------------------------------------------------------------------

_HTTP = ("method", "host", "uri", "version", "user_agent", "referer", "status", "request_bytes", "response_bytes",
         "response_ms")  # fmt: skip


def _http(made: Fields, row: Fields) -> None:
    """One transaction. Types of bodies have no place: the schema wants them as their content shows them."""
    status = row["status"]
    request = None if row["method"] is None else present({
        "method": row["method"], "referrer": row["referer"], "body": {"bytes": row["request_bytes"] or 0},
    })  # fmt: skip
    response = None if status is None else {"status_code": status, "body": {"bytes": row["response_bytes"] or 0}}
    made["http"] = present({
        "version": (row["version"] or "").removeprefix("HTTP/"), "request": request, "response": response,
    })  # fmt: skip
    if row["user_agent"]:
        made["user_agent"] = {"original": row["user_agent"]}
    if row["method"] is not None:
        made["url"] = _url(row)
    if status is not None:
        made["event"]["outcome"] = "failure" if status >= 400 else "success"
    _duration(made, row["response_ms"])
    _related(made, _name(row["host"]))


def _name(host: str | None) -> str | None:
    """Host without a port."""
    return host and _PORT.sub("", host)


def _url(row: Fields) -> Fields:
    """Return the target of a request and its parts."""
    target, host = row["uri"] or "", row["host"]
    path = target if target.startswith("/") else ""
    before, _mark, fragment = path.partition("#")
    port = _PORT.search(host or "")
    return present({
        "original": target,
        "full": url(row),
        "scheme": "http",
        "domain": _name(host),
        "port": int(port[1]) if port and int(port[1]) <= 0xFFFF else None,
        "path": before.partition("?")[0],
        "query": before.partition("?")[2],
        "fragment": fragment,
    })  # fmt: skip


# ---- TLS -------------------------------------------------------------------------------------------------------------

_TLS = ("sni", "version", "cipher", "alpn", "ja3", "ja3s", "key_group", "resumed", "established", "subject", "issuer",
        "sans", "not_before", "not_after", "cert_sha256", "cert_serial", "cert_key_type", "cert_key_bits",
        "cert_signature", "client_subject", "client_cert_sha256")  # fmt: skip


def _tls(made: Fields, row: Fields) -> None:
    """One handshake."""
    version = _VERSION.fullmatch(row["version"] or "")
    valid = present({
        "not_before": None if row["not_before"] is None else moment(row["not_before"]),
        "not_after": None if row["not_after"] is None else moment(row["not_after"]),
    })  # fmt: skip
    certificate = present({
        "serial_number": _upper(row["cert_serial"]),
        "signature_algorithm": row["cert_signature"],
        "public_key_algorithm": row["cert_key_type"],
        "public_key_size": row["cert_key_bits"],
        "alternative_names": row["sans"],
    })  # fmt: skip
    made["tls"] = present({
        "version": version and version[2],
        "version_protocol": version and version[1].lower(),
        "cipher": row["cipher"],
        "curve": row["key_group"],
        "next_protocol": row["alpn"],
        "resumed": row["resumed"],
        "established": row["established"],
        "client": present({
            "server_name": row["sni"],
            "ja3": row["ja3"],
            "subject": row["client_subject"],
            "hash": present({"sha256": _upper(row["client_cert_sha256"])}),
        }),
        "server": present({
            "ja3s": row["ja3s"],
            "subject": row["subject"],
            "issuer": row["issuer"],
            "hash": present({"sha256": _upper(row["cert_sha256"])}),
            "x509": certificate | valid if certificate or valid else None,
        }) | valid,
    })  # fmt: skip
    _related(made, row["sni"])


def _upper(digits: str | None) -> str | None:
    return digits and digits.upper()
