"""Descriptions of the supported logs of other tools, one row each, for `rustnet.attribute.formats.process_logs`.

A row gives the log's syntax, the strings that identify it, the records to use, and the path of each field. To support a
new log, add a row. A path is a key, or the keys of nested objects joined by dots; a key that itself contains dots is
tried first. Paths are relative to the first of the row's ``roots`` that a record has; paths with a leading ``/`` are
relative to the record. Of several paths, separated by spaces, the first present one is used.
"""

from collections.abc import Callable, Mapping
from typing import BinaryIO, NamedTuple

from rustnet.attribute.formats.ausearch import ausearch_records
from rustnet.attribute.formats.event_log import event_records
from rustnet.attribute.formats.log_syntax import Records, audit_records, json_records, zeek_records
from rustnet.attribute.observation import Faults


class Log(NamedTuple):
    """One kind of log."""

    name: str
    """Value of `claims.source` and `--sidecar-format`."""
    syntax: Callable[[BinaryIO, Faults], Records]
    marks: tuple[tuple[bytes, ...], ...]
    """Recognised if the beginning of the file contains all strings of one tuple."""
    fields: Mapping[str, str]
    """Paths of `protocol`, the ends (`local`, `local_port`, `remote`, `remote_port`), `time`, `duration` (seconds),
    `quality`, `alias`, `service`, and of fields of `ProcessFacts`."""
    keep: tuple[tuple[str, frozenset[str]], ...] = ()
    """(path, values): records with any other value are ignored."""
    drop: tuple[tuple[str, frozenset[str]], ...] = ()
    """(path, values): records with such a value are ignored: they state the end of a socket."""
    roots: tuple[str, ...] = ("",)
    """Objects that contain the fields; the first present one is used."""
    each: tuple[str, ...] = ()
    """Lists whose objects each replace the first root, for records with several rows."""
    quality: str = "unstated"
    """Quality if no field has it."""
    protocols: tuple[str, ...] = ()
    """Possible protocols if the log does not have it, or 0."""
    unbound: bool = False
    """A local address `0.0.0.0` or `::` is that of a socket whose address the system had yet to choose."""
    swapped: tuple[str, frozenset[str]] | None = None
    """(path, values): with such a value, the ends are swapped."""
    names_only: bool = False
    """The log has identifiers of connections, but no processes."""
    starts: tuple[tuple[str, frozenset[str]], Mapping[str, str]] | None = None
    """(path, values) of records of starting processes, and the paths of their `guid`, `hashes` and facts."""
    with_: tuple[str, ...] = ()
    """Other logs whose records the same file may hold."""


def _one_of(*values: str) -> frozenset[str]:
    return frozenset(values)


_INTERNET = _one_of("2", "10", "11", "23", "30", "")
"""Address families of IPv4 and IPv6 on Linux, Windows and macOS; osquery before 4.0 wrote 11 for IPv6."""
_OSQUERY_ROOTS = ("columns", "osquery.result.columns", "osquery", "")
"""osqueryd's own log, that of Filebeat's module, that of Elastic's integration, and rows of osqueryi."""
_GONE = ("/action /osquery.result.action", _one_of("removed"))

_EVENT_ID = (
    "/Event.System.EventID /Event.System.EventID.#text /winlog.event_id /event.code /data.win.system.eventID "
    "/System.EventID /EventID /EventId /Id"
)
_LOGGED = (
    "/@timestamp /Event.System.TimeCreated.SystemTime /Event.System.TimeCreated.#attributes.SystemTime "
    "/data.win.system.systemTime"
)
"""Time at which an event was written, in UTC."""
_COMPUTER = (
    "/Event.System.Computer /winlog.computer_name /data.win.system.computer /System.Computer /Computer /Hostname "
    "/host.name"
)
_EVENT_ROOTS = ("Event.EventData", "winlog.event_data", "data.win.eventdata", "EventData", "")

LOGS: tuple[Log, ...] = (
    Log(
        "sysmon",
        event_records,
        marks=(
            (b"Microsoft-Windows-Sysmon",),
            (b"Linux-Sysmon",),
            (b"Event SYSMONEVENT_", b"\tUtcTime: "),
            (b'"SourceIp"', b'"DestinationIp"', b'"ProcessGuid"'),
        ),
        roots=_EVENT_ROOTS,
        keep=((_EVENT_ID, _one_of("3")),),
        quality="event-3",
        swapped=("Initiated initiated", _one_of("false")),
        fields={
            "protocol": "Protocol protocol",
            "local": "SourceIp sourceIp",
            "local_port": "SourcePort sourcePort",
            "remote": "DestinationIp destinationIp",
            "remote_port": "DestinationPort destinationPort",
            "time": f"UtcTime utcTime {_LOGGED}",
            "pid": "ProcessId processId",
            "exe": "Image image",
            "username": "User user",
            "host": _COMPUTER,
            "guid": "ProcessGuid processGuid",
        },
        starts=(
            (_EVENT_ID, _one_of("1")),
            {
                "guid": "ProcessGuid processGuid",
                "pid": "ProcessId processId",
                "ppid": "ParentProcessId parentProcessId",
                "cmdline": "CommandLine commandLine",
                "cwd": "CurrentDirectory currentDirectory",
                "parent_exe": "ParentImage parentImage",
                "parent_cmdline": "ParentCommandLine parentCommandLine",
                "started_at": "UtcTime utcTime",
                "hashes": "Hashes hashes",
            },
        ),
        with_=("windows-security",),
    ),
    Log(
        "windows-security",
        event_records,
        marks=((b"Microsoft-Windows-Security-Auditing",), (b"schemas.microsoft.com/win/2004/08/events/event",)),
        roots=_EVENT_ROOTS,
        keep=((_EVENT_ID, _one_of("5156")),),
        quality="event-5156",
        swapped=("Inbound", _one_of("true")),
        fields={
            "protocol": "Protocol protocol",
            "local": "SourceAddress sourceAddress",
            "local_port": "SourcePort sourcePort",
            "remote": "DestAddress destAddress",
            "remote_port": "DestPort destPort",
            "time": _LOGGED,
            "pid": "ProcessID processID",
            "exe": "Application application",
            "host": _COMPUTER,
        },
        with_=("sysmon",),
    ),
    Log(
        "osquery-socket-events",
        json_records,
        marks=(
            (b'"remote_address"', b'"local_port"', b'"auid"'),
            (b'"remote_address"', b'"local_port"', b'"syscall"'),
            (b'"remote_address"', b'"local_port"', b'"eid"'),
            (b'"remote_address"', b'"remote_port"', b'"connect"'),
            (b'"remote_address"', b'"remote_port"', b'"accept"'),
            (b'"local_address"', b'"local_port"', b'"bind"'),
        ),
        roots=_OSQUERY_ROOTS,
        each=("snapshot", "diffResults.added"),
        keep=(
            ("action syscall", _one_of("connect", "accept", "accept4", "bind")),
            ("family", _INTERNET),
            ("status", _one_of("succeeded", "failed", "in_progress", "unknown", "")),
        ),
        drop=(_GONE,),
        protocols=("tcp", "udp"),  # the audit events have none: 0, or no column at all
        unbound=True,
        fields={
            "protocol": "protocol",
            "local": "local_address",
            "local_port": "local_port",
            "remote": "remote_address",
            "remote_port": "remote_port",
            "time": "time",  # not that of the query, which may be minutes later
            "quality": "action syscall",
            "pid": "pid",
            "ppid": "parent",
            "name": "name",
            "exe": "path",
            "cmdline": "cmdline",
            "uid": "uid",
            "gid": "gid",
            "username": "username",
            "host": "/hostIdentifier /osquery.result.host_identifier /host.name",
        },
    ),
    Log(
        "osquery-open-sockets",
        json_records,
        marks=((b'"remote_address"', b'"local_port"', b'"pid"'),),
        roots=_OSQUERY_ROOTS,
        each=("snapshot", "diffResults.added"),
        keep=(("family", _INTERNET),),
        drop=(_GONE,),
        protocols=("tcp", "udp"),
        quality="snapshot",
        unbound=True,
        fields={
            "protocol": "protocol",
            "local": "local_address",
            "local_port": "local_port",
            "remote": "remote_address",
            "remote_port": "remote_port",
            "time": "time /unixTime /osquery.result.unix_time",
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
            "host": "/hostIdentifier /osquery.result.host_identifier /host.name",
        },
    ),
    Log(
        "ausearch-csv",
        ausearch_records,
        marks=((b",SUBJ_PRIME,", b",OBJ_PRIME,", b",HOW"), (b",connected-to,", b"laddr=", b"lport=")),
        keep=(("ACTION", _one_of("connected-to")),),
        protocols=("tcp", "udp"),
        fields={
            "remote": "laddr",
            "remote_port": "lport",
            "time": "stamp",
            "quality": "quality",
            "name": "comm",
            "exe": "exe",
            "uid": "uid",
            "username": "SUBJ_SEC",
            "host": "NODE",
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
            "duration": "duration",
            "alias": "uid",
            "service": "service",
        },
    ),
)
"""Tried in this order: logs with more specific marks first."""
