"""Exports the owners of a session as a sidecar, version 1, which gives the same owners when replayed.

It has a line for each process, then one for each claim with its source, quality and times, then one for each flow for
which a source knew no owner. ``sidecar/FORMAT.md`` explains the keys.
"""

import json
import typing
from datetime import UTC, datetime
from typing import Any, TextIO

from rustnet import __version__
from rustnet.query import ownership

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

SIDECAR_VERSION = 1
WRITER = f"rustnet-export/{__version__}"

_PROTOCOLS = {"icmpv6": "ICMP"}
_NOWHERE = {False: "0.0.0.0", True: "::"}  # noqa: S104 -- address of an unbound end
_OPEN_END = {"wildcard": "local", "listener": "remote", "port": "both", "protocol": "both"}
_ADDRESSES_PER_LINE = 1000

Keys = dict[str, Any]


def write_sidecar(session: "Session", stream: TextIO, chosen: ownership.Chosen | None = None) -> int:
    """Write the owners of a session, or of chosen flows, and return the number of lines about connections."""
    since, until = ownership.span(session, chosen)
    about = {**_blank("META", "0.0.0.0:0", "0.0.0.0:0", since, until), "timestamp": written(until)}

    def put(keys: Keys) -> None:
        stream.write(json.dumps(keys, sort_keys=True, separators=(",", ":")) + "\n")

    put({**about, "record": "export", "state": "export"})
    for home in ownership.homes(session, chosen):
        addresses = sorted(home["addresses"])
        for at in range(0, len(addresses), _ADDRESSES_PER_LINE):
            some = addresses[at : at + _ADDRESSES_PER_LINE]
            put({**about, "record": "addresses", "state": "addresses", "host": home["host"], "addresses": some})
    for process in ownership.processes(session, chosen):
        put({**about, "record": "process", "state": "process", **process_keys(process)})
    lines = 0
    for claim in ownership.statements(session, chosen):
        put({**_claim_line(claim), **process_keys(claim["process"])})
        lines += 1
    for flow in ownership.ownerless(session, chosen):
        put(_ownerless(flow))
        lines += 1
    return lines


def _blank(protocol: str, local: str, remote: str, first: int | None, last: int | None) -> Keys:
    """Keys that every line has."""
    return {
        "bytes_received": 0,
        "bytes_sent": 0,
        "first_seen": _moment(first),
        "last_seen": _moment(last),
        "local_addr": local,
        "pid": None,
        "process_name": None,
        "protocol": protocol,
        "recorder": WRITER,
        "remote_addr": remote,
        "sidecar_version": SIDECAR_VERSION,
        "state": "",
        "timestamp": None,
    }


def _claim_line(claim: Keys) -> Keys:
    """Keys of one claim, without its process."""
    six = claim["six"]
    keys = _blank(
        protocol_name(claim["protocol"]),
        endpoint(claim["near_ip"] or _NOWHERE[bool(six)], claim["near_port"]),
        endpoint(claim["far_ip"] or _NOWHERE[bool(six)], claim["far_port"]),
        claim["first"],
        claim["last"],
    )
    keys.update(
        attribution_match=claim["quality"],
        bytes_received=claim["received"],
        bytes_sent=claim["sent"],
        bytes_source="capture",
        claim_evidence=claim["evidence"],
        claim_source=claim["source"],
        observed_by="claim",
        open_end=_OPEN_END.get(claim["match"], "none"),
        state=claim["state"] or "",
        timestamp=written(claim["observed"]),
    )
    if claim["icmp_id"] is not None:
        keys["icmp_id"] = claim["icmp_id"]
    if six and claim["near_ip"] is None:
        keys["ipv6_only"] = True
    return keys


def _ownerless(flow: Keys) -> Keys:
    """Keys of a flow for which a source knew no owner."""
    near, far = endpoint(flow["near_ip"], flow["near_port"]), endpoint(flow["far_ip"], flow["far_port"])
    keys = _blank(protocol_name(flow["protocol"]), near, far, flow["first"], flow["last"])
    keys.update(
        bytes_received=flow["received"],
        bytes_sent=flow["sent"],
        bytes_source="capture",
        claim_source="rustnet-sidecar",
        observed_by="claim",
        open_end="none",
        state=flow["state"] or "",
        unowned_because="not-told",
    )
    return keys


def process_keys(row: Keys) -> Keys:
    """Keys of one process."""
    kubernetes = {
        "cgroup_path": row["cgroup"],
        "container_id": row["container_id"],
        "container_name": row["container_name"],
        "pod_name": row["pod"],
        "pod_namespace": row["namespace"],
        "pod_uid": row["pod_uid"],
    }
    keys = {
        "boot_id": row.get("boot_id"),
        "capabilities": row.get("capabilities"),
        "cgroup": row["cgroup"],
        "changed_before": _moment(row.get("changed_at")),
        "cmdline": row["cmdline"],
        "container_id": row["container_id"],
        "container_runtime": row.get("container_runtime"),
        "cwd": row["cwd"],
        "exe_sha256": row.get("exe_sha256"),
        "host": row["host"],
        "kubernetes": {key: value for key, value in kubernetes.items() if value is not None} or None,
        "lsm_label": row.get("lsm_label"),
        "process_executable": row["exe"],
        "process_gid": row["gid"],
        "process_lineage": _lineage(row["lineage"], row.get("parent_started_at")),
        "process_ppid": row["ppid"],
        "process_uid": row["uid"],
        "started_at": _moment(row["started_at"]),
        "systemd_unit": row.get("systemd_unit"),
        "username": row["username"],
    }
    known: Keys = {key: value for key, value in keys.items() if value is not None}
    return {**known, "pid": row["pid"], "process_name": row["name"]}


def _lineage(ancestors: list[str] | None, parent_started_at: int | None) -> Keys | None:
    """Ancestors in RustNet's form, from ``name(pid)``; the last one is the parent."""
    if not ancestors:
        return None
    truncated = ancestors[0] == "…"
    members: list[Keys] = []
    for one in ancestors[truncated:]:
        name, _, number = one.rpartition("(")
        number = number.rstrip(")")
        members.append({"name": None if name == "?" else name, "pid": int(number) if number.isdecimal() else None})
    if members and parent_started_at is not None:
        members[-1]["started_at_unix_ms"] = parent_started_at // 1_000_000
    return {"ancestors": members, "truncated": truncated}


def protocol_name(name: str) -> str:
    """Name of a protocol in RustNet's form."""
    return _PROTOCOLS.get(name, name.upper())


def endpoint(ip: str, port: int | None) -> str:
    """Address and port in RustNet's form."""
    return f"[{ip}]:{port or 0}" if ":" in ip else f"{ip}:{port or 0}"


def _moment(ns: int | None) -> Keys | None:
    """Time in RustNet's form."""
    return None if ns is None else {"nanos_since_epoch": ns % 1_000_000_000, "secs_since_epoch": ns // 1_000_000_000}


def written(ns: int | None) -> str | None:
    """Time as RFC 3339, to the nanosecond."""
    if ns is None:
        return None
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%S}.{ns % 1_000_000_000:09d}Z"
