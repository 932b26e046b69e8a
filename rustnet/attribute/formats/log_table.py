"""The kinds of logs of other tools that are read, one row each; `rustnet.attribute.formats.process_logs` reads by them.

A row says how the log is written, by what it is recognised, which of its records count, and where each field stands.
A new log is a new row. A place is a name, or names with dots between them where objects are nested; a name that
itself holds dots is tried first. Places are looked for in the first of the row's ``roots`` that a record has, places
that begin with ``/`` in the whole record; of several, separated by spaces, the first that is there counts.
"""

from collections.abc import Callable, Mapping
from typing import BinaryIO, NamedTuple

from rustnet.attribute.formats.log_syntax import Records, audit_records, json_records, zeek_records
from rustnet.attribute.observation import Faults


class Log(NamedTuple):
    """One kind of log."""

    name: str
    """What `claims.source` and `--sidecar-format` call it."""
    syntax: Callable[[BinaryIO, Faults], Records]
    marks: tuple[tuple[bytes, ...], ...]
    """Recognised if the file's beginning holds all of one of these."""
    fields: Mapping[str, str]
    """Places of `protocol`, the ends (`local`, `local_port`, `remote`, `remote_port`), `time`, `lasted` (seconds),
    `quality`, `alias`, `service`, and of fields of `ProcessFacts`."""
    keep: tuple[tuple[str, frozenset[str]], ...] = ()
    """(place, values): records with another value there are passed over, each condition in turn."""
    roots: tuple[str, ...] = ("",)
    """Objects in which the places are; the first that a record has."""
    each: tuple[str, ...] = ()
    """Lists of objects that each stand for the first root, where one record brings several."""
    quality: str = "unstated"
    """Quality, unless a field says it."""
    protocols: tuple[str, ...] = ()
    """Protocols that may be meant where the log does not say which."""
    swapped: tuple[str, frozenset[str]] | None = None
    """(place, values): with such a value, the local end is the other one."""
    names_only: bool = False
    """It knows names of conversations, and no processes."""


def _one_of(*values: str) -> frozenset[str]:
    return frozenset(values)


_EVENT_ID = (
    "/Event.System.EventID.#text /Event.System.EventID /winlog.event_id /event.code /data.win.system.eventID "
    "/System.EventID /EventID /EventId /Id"
)

LOGS: tuple[Log, ...] = (
    Log(
        "sysmon",
        json_records,
        marks=((b"Microsoft-Windows-Sysmon",), (b'"SourceIp"', b'"DestinationIp"', b'"ProcessGuid"')),
        roots=("Event.EventData", "winlog.event_data", "data.win.eventdata", "EventData", ""),
        keep=((_EVENT_ID, _one_of("3")),),
        quality="event-3",
        swapped=("Initiated initiated", _one_of("false")),
        fields={
            "protocol": "Protocol protocol",
            "local": "SourceIp sourceIp",
            "local_port": "SourcePort sourcePort",
            "remote": "DestinationIp destinationIp",
            "remote_port": "DestinationPort destinationPort",
            "time": "UtcTime utcTime /@timestamp",
            "pid": "ProcessId processId",
            "exe": "Image image",
            "username": "User user",
            "host": "/Event.System.Computer /winlog.computer_name /data.win.system.computer /System.Computer "
            "/Computer /Hostname /host.name",
        },
    ),
    Log(
        "osquery-socket-events",
        json_records,
        marks=(
            (b'"remote_address"', b'"local_port"', b'"auid"'),
            (b'"remote_address"', b'"local_port"', b'"syscall"'),
            (b'"remote_address"', b'"local_port"', b'"eid"'),
        ),
        roots=("columns", ""),
        each=("snapshot", "diffResults.added"),
        keep=(("action syscall", _one_of("connect", "accept", "accept4", "bind")),),
        fields={
            "protocol": "protocol",
            "local": "local_address",
            "local_port": "local_port",
            "remote": "remote_address",
            "remote_port": "remote_port",
            "time": "time /unixTime",
            "quality": "action syscall",
            "pid": "pid",
            "ppid": "parent",
            "name": "name",
            "exe": "path",
            "cmdline": "cmdline",
            "uid": "uid",
            "gid": "gid",
            "username": "username",
            "host": "/hostIdentifier",
        },
    ),
    Log(
        "osquery-open-sockets",
        json_records,
        marks=((b'"remote_address"', b'"local_port"', b'"pid"'),),
        roots=("columns", ""),
        each=("snapshot", "diffResults.added"),
        keep=(("family", _one_of("2", "10", "23", "30", "")),),
        quality="snapshot",
        fields={
            "protocol": "protocol",
            "local": "local_address",
            "local_port": "local_port",
            "remote": "remote_address",
            "remote_port": "remote_port",
            "time": "time /unixTime",
            "pid": "pid",
            "ppid": "parent",
            "name": "name",
            "exe": "path",
            "cmdline": "cmdline",
            "cwd": "cwd",
            "uid": "uid",
            "gid": "gid",
            "username": "username",
            "started_at": "start_time",
            "host": "/hostIdentifier",
        },
    ),
    Log(
        "auditd",
        audit_records,
        marks=((b"type=", b" msg=audit("),),
        protocols=("tcp", "udp"),
        fields={
            "remote": "laddr",
            "remote_port": "lport",
            "time": "stamp",
            "quality": "quality",
            "pid": "pid",
            "ppid": "ppid",
            "name": "comm",
            "exe": "exe",
            "cmdline": "cmdline",
            "cwd": "cwd",
            "uid": "uid",
            "gid": "gid",
            "username": "UID",
            "host": "node",
        },
    ),
    Log(
        "zeek",
        zeek_records,
        marks=((b"#path\tconn",), (b'"id.orig_h"', b'"uid"', b'"conn_state"')),
        quality="conn",
        names_only=True,
        fields={
            "protocol": "proto",
            "local": "id.orig_h",
            "local_port": "id.orig_p",
            "remote": "id.resp_h",
            "remote_port": "id.resp_p",
            "time": "ts",
            "lasted": "duration",
            "alias": "uid",
            "service": "service",
        },
    ),
)
"""Asked in this order: what is told by more stands before what is told by less."""
