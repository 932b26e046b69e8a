"""``redaction.json``: what a redaction did to which kinds of values, and what it does not protect.

It is data, so it is in English whatever the language of people is. It has no value of the session, and of the key only
a fingerprint.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rustnet import __version__
from rustnet.policy.redaction import Method, Policy, Redactor
from rustnet.query.redaction_mark import fingerprint
from rustnet.records import Kind

if TYPE_CHECKING:
    from rustnet.export.folder import ExportFolder
    from rustnet.export.redacted_session import Copied

FILE = "redaction.json"
VERSION = 1
"""Version of the file's form."""

ALWAYS = (
    (
        "Sizes, durations, numbers of packets and the order of events are those of the original: somebody who has "
        "recorded the same traffic, or knows of some of it, can recognise it."
    ),
    "Equal values have equal replacements: how often something occurs, and together with what, can be counted.",
    "Words of protocols (methods, states, versions, algorithms) and the names of columns are those of the original.",
)
MOMENTS = "Moments are those of the original."
SHIFTED = (
    "Moments are shifted, all by the same span: the spans between them stay, and one event of known time reveals all. "
    "Times within texts (banners, replies, names of files) are not shifted."
)
PORTS = "Ports are those of the original."
SERVICES = "Ports below 32768, and those of services, are those of the original."
PREFIXES = (
    "Addresses keep their prefixes: which of them are in the same network is visible, and so is whether they are "
    "private, multicast or reserved. An address whose original is known reveals parts of others with the same prefix."
)
NAMES = "Structure of names stays: how many labels, components or words they have."
COMMON = (
    "What very many systems have in common stays: last labels of names, well-known software, accounts and directories."
)
RANDOM = "random, for this export alone"
JOINED = "exports of the same policy and fingerprint have the same replacements and can be joined"
LEFT_OUT = "tables that say nothing under the policy; tables and columns that are unknown are counted"
SENTENCES = (*ALWAYS, MOMENTS, SHIFTED, PORTS, SERVICES, PREFIXES, NAMES, COMMON, RANDOM, JOINED, LEFT_OUT)
"""All that it may say in sentences."""


def write(
    folder: "ExportFolder", copied: "Copied", redactor: Redactor, *, key_file: bool, packets: Mapping[str, Any]
) -> None:
    """Write the statement to an export. ``packets``: numbers of what was cut of packets, by name."""
    data = {
        "version": VERSION,
        "tool": f"rustnet {__version__}",
        "policy": described(redactor),
        "key": {
            "source": "file" if key_file else RANDOM,
            "fingerprint": fingerprint(redactor),
            "meaning": JOINED,
        },
        "done": done(copied),
        "columns": _columns(copied),
        "left_out": {
            "tables": copied.hidden,
            "unknown": len(copied.left_out),
            "meaning": LEFT_OUT,
        },
        "packets": dict(packets),
        "not_protected": not_protected(redactor.policy),
    }
    with folder.create(FILE) as stream:
        stream.write(json.dumps(data, indent=2, ensure_ascii=True).encode() + b"\n")


def described(redactor: Redactor) -> dict[str, Any]:
    """A policy, wholly."""
    policy = redactor.policy
    kinds = {kind.value: redactor.method(kind) for kind in Kind}
    return {
        "name": policy.name,
        "meaning": policy.meaning,
        "kinds": {name: _method(method) for name, method in kinds.items()},
        "columns": {name: _method(method) for name, method in policy.columns.items()},
        "kept": {
            "vendors": policy.kept.vendors,
            "last_labels": policy.kept.suffixes,
            "common_words": policy.kept.words,
        },
        "replaced_numbers": {
            "client_ports": policy.numbers.ports,
            "times_to_live": policy.numbers.ttl,
            "sequence_numbers": policy.numbers.sequence,
            "packet_identifiers": policy.numbers.ip_id,
        },
        "moments_shifted": policy.shift is not None,
    }


def done(copied: "Copied") -> list[dict[str, Any]]:
    """What was done to which kind: values and different values of all its columns together."""
    groups: dict[tuple[Kind, Method], list[int]] = {}
    for column in copied.columns:
        if column.count.cells and column.method is not None:
            group = groups.setdefault((column.kind, column.method), [0, 0, 0])
            group[0] += 1
            group[1] += column.count.cells
            group[2] += column.count.distinct or 0
    return [
        {"kind": kind.value, **_method(method), "columns": columns, "values": cells}
        | ({"different_values": distinct} if distinct else {})
        for (kind, method), (columns, cells, distinct) in sorted(groups.items(), key=lambda item: item[0][0].value)
    ]


def _columns(copied: "Copied") -> dict[str, dict[str, str]]:
    """Method of each column that has values, by table."""
    tables: dict[str, dict[str, str]] = {}
    for column in copied.columns:
        if column.count.cells and column.method is not None:
            tables.setdefault(column.table, {})[column.column] = _name(column.method)
    return tables


def _name(method: Method) -> str:
    return method.name.lower()


def _method(method: Method) -> dict[str, str]:
    return {"method": _name(method), "meaning": method.value}


def not_protected(policy: Policy) -> list[str]:
    """What a policy does not protect, in sentences."""
    kept = policy.methods
    sentences = [*ALWAYS, SHIFTED if policy.shift else MOMENTS, SERVICES if policy.numbers.ports else PORTS]
    if kept[Kind.ADDRESS] is Method.ADDRESS:
        sentences.append(PREFIXES)
    if kept[Kind.HOST] is Method.HOST:
        sentences.append(NAMES)
    if policy.kept.words or policy.kept.suffixes:
        sentences.append(COMMON)
    return sentences
