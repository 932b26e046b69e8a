"""Event XML of Windows and of Sysmon for Linux: every layout that tools write, and damage of every kind."""

import contextlib
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.attribute.discover import open_sidecar
from rustnet.attribute.formats import event_log
from rustnet.attribute.formats.event_log import MAX_VALUES, _LocalEnds, event_records, xml_records
from rustnet.attribute.formats.log_syntax import CHUNK, MAX_RECORD
from rustnet.attribute.formats.process_starts import ProcessStarts
from rustnet.attribute.match import attribute
from rustnet.attribute.observation import Faults, Observation, ProcessFacts
from rustnet.attribute.values import parse_address
from rustnet.errors import InputError
from tests.support.effort import assert_linear, examples

T0 = 1_780_000_000
S = 10**9
HALF = T0 * S + S // 2
LOCAL, REMOTE = parse_address("10.0.0.1"), parse_address("93.184.216.34")
WINDOWS = "http://schemas.microsoft.com/win/2004/08/events/event"
GUID = "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}"

CONNECT = {
    "RuleName": "-", "UtcTime": "2026-05-28 20:26:40.500", "ProcessGuid": GUID, "ProcessId": "4242",
    "Image": "/usr/bin/curl", "User": "ann", "Protocol": "tcp", "Initiated": "true", "SourceIsIpv6": "false",
    "SourceIp": "10.0.0.1", "SourceHostname": "-", "SourcePort": "40000", "SourcePortName": "-",
    "DestinationIsIpv6": "false", "DestinationIp": "93.184.216.34", "DestinationHostname": "-",
    "DestinationPort": "443", "DestinationPortName": "-",
}  # fmt: skip
CREATE = {
    "RuleName": "-", "UtcTime": "2026-05-28 20:26:39.250", "ProcessGuid": GUID, "ProcessId": "4242",
    "Image": "/usr/bin/curl", "CommandLine": "curl -s 'https://x.example/?a=1&b=<2>'", "CurrentDirectory": "/home/ann",
    "User": "ann", "Hashes": "MD5=" + "0" * 32 + ",SHA256=" + "AB" * 32, "ParentProcessId": "77",
    "ParentImage": "/usr/bin/bash", "ParentCommandLine": "-",
}  # fmt: skip
PERMITTED = {
    "ProcessID": "2148", "Application": "\\device\\harddiskvolume5\\windows\\system32\\svchost.exe",
    "Direction": "%%14593", "SourceAddress": "10.0.0.1", "SourcePort": "40000", "DestAddress": "93.184.216.34",
    "DestPort": "443", "Protocol": "6", "FilterRTID": "65886", "LayerName": "%%14611", "LayerRTID": "48",
    "RemoteUserID": "S-1-0-0", "RemoteMachineID": "S-1-0-0",
}  # fmt: skip
CURL = ProcessFacts(host="box", pid=4242, name="curl", exe="/usr/bin/curl", username="ann")


def xml(
    data: dict[str, str],
    number: int = 3,
    *,
    provider: str = "Linux-Sysmon",
    root: str = "<Event>",
    written: str = "2026-05-28T20:26:40.500000000Z",
    computer: str = "box",
) -> str:
    """One event on one line."""
    values = "".join(f"<Data Name={quoteattr(name)}>{escape(value)}</Data>" for name, value in data.items())
    return (
        f'{root}<System><Provider Name="{provider}" Guid="{{ff032593-a8d3-4f13-b0d6-01fc615a0f97}}"/>'
        f"<EventID>{number}</EventID><Version>5</Version><Level>4</Level><Keywords>0x8000000000000000</Keywords>"
        f'<TimeCreated SystemTime="{written}"/><EventRecordID>1</EventRecordID><Correlation/>'
        f'<Execution ProcessID="900" ThreadID="900"/><Channel>x/Operational</Channel><Computer>{computer}</Computer>'
        f'<Security UserId="0"/></System><EventData>{values}</EventData></Event>'
    )


def windows(data: dict[str, str] | None = None, number: int = 3, **more: Any) -> str:
    """One event as Windows renders it."""
    provider = "Microsoft-Windows-Sysmon" if number < 100 else "Microsoft-Windows-Security-Auditing"
    text = xml(data or CONNECT, number, provider=provider, root=f"<Event xmlns='{WINDOWS}'>", **more)
    return text.replace('"', "'")


def pretty(event: str) -> str:
    """The same event with an element on each line."""
    return event.replace("><", ">\r\n  <")


def put(folder: Path, content: str | bytes, name: str = "some.log") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, form: str | None = None) -> tuple[list[Observation], Faults, str]:
    reader = open_sidecar(path, None, form)
    return [one for batch in reader.batches() for one in batch], reader.faults, reader.source


def expected(position: int = 1, **changes: Any) -> Observation:
    whole = Observation("tcp", LOCAL, 40000, REMOTE, 443, HALF, HALF, HALF, CURL, "event-3", position, host="box")
    return whole._replace(**changes)


SYSLOG: dict[str, Callable[[str], str]] = {
    "rfc3164": lambda event: f"Nov 12 10:00:00 box sysmon: {event}\n",
    "rfc3164 with pid": lambda event: f"<14>Nov 12 10:00:00 box sysmon[900]: {event}\r\n",
    "rfc5424": lambda event: f"<14>1 2026-05-28T20:26:41.0Z box sysmon 900 - - {event}\n",
    "short-iso": lambda event: f"2026-05-28T22:26:41+0200 box sysmon[900]: {event}\n",
    "export": lambda event: f"__CURSOR=s=1\n_HOSTNAME=box\nSYSLOG_IDENTIFIER=sysmon\nMESSAGE={event}\n_PID=900\n\n",
    "journal": lambda event: json.dumps({"_HOSTNAME": "box", "MESSAGE": event, "PRIORITY": "6"}) + "\n",
    "journal bytes": lambda event: (
        json.dumps({"_CMDLINE": "Linux-Sysmon", "MESSAGE": list(event.encode()), "_PID": "900"}) + "\n"
    ),
    "escaped by go": lambda event: (
        json.dumps({"message": event, "host": "box"}).replace("<", "\\u003c").replace(">", "\\u003e") + "\n"
    ),
}


@pytest.mark.parametrize("form", SYSLOG)
def test_sysmon_for_linux(tmp_path: Path, form: str) -> None:
    write = SYSLOG[form]
    said, faults, source = read(put(tmp_path, write(xml(CONNECT)) + write(xml(CONNECT | {"Protocol": "udp"}))))
    assert (source, faults.bad, faults.values) == ("sysmon", 0, 0)
    assert [o._replace(position=0) for o in said] == [expected(0), expected(0, protocol="udp")]
    assert said[0].position < said[1].position


LAYOUTS: dict[str, Callable[[list[str]], bytes]] = {
    "wevtutil": lambda events: "\r\n".join(events).encode(),
    "on one line": lambda events: "".join(events).encode(),
    "event viewer": lambda events: (
        '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\r\n<Events>' + "".join(events) + "</Events>"
    ).encode(),
    "utf-16": lambda events: "\r\n".join(events).encode("utf-16"),
    "utf-16 big endian": lambda events: b"\xfe\xff" + "\r\n".join(events).encode("utf-16-be"),
    "utf-8 with mark": lambda events: "\n".join(events).encode("utf-8-sig"),
    "pretty": lambda events: "\r\n".join(map(pretty, events)).encode(),
    "evtx_dump": lambda events: "".join(
        f'Record {n}\n<?xml version="1.0" encoding="utf-8"?>\n{pretty(event)}\n' for n, event in enumerate(events)
    ).encode(),
    "copied": lambda events: "".join("- " + pretty(event).replace("  <Sys", "- <Sys") for event in events).encode(),
}


@pytest.mark.parametrize("form", LAYOUTS)
def test_windows_event_xml(tmp_path: Path, form: str) -> None:
    events = [windows(CONNECT | {"SourcePort": str(40000 + n)}) for n in range(3)]
    said, faults, source = read(put(tmp_path, LAYOUTS[form](events)))
    assert (source, faults.bad, faults.values) == ("sysmon", 0, 0)
    assert [o._replace(position=0) for o in said] == [expected(0, local_port=40000 + n) for n in range(3)]


def test_positions_are_lines(tmp_path: Path) -> None:
    lines = pretty(windows()).count("\n") + 1
    said, _, _ = read(put(tmp_path, "\n\n" + "\n".join([pretty(windows())] * 5)))
    assert [o.position for o in said] == [3 + n * lines for n in range(5)]


def test_entities_and_other_values(tmp_path: Path) -> None:
    odd = CONNECT | {"Image": "C:\\a & b\\<x> \"y\" 'z'.exe", "User": "DESK\\Jos\u00e9", "ProcessId": "0x1092"}
    text = windows(odd | {"Image": odd["Image"].replace('"', "QUOTE")})
    text = text.replace("Jos\u00e9", "Jos&#xE9;").replace("&lt;x&gt;", "&#60;x&#x3e;").replace("QUOTE", "&quot;")
    said, faults, _ = read(put(tmp_path, text))
    assert faults.bad == 0
    assert said[0].process == ProcessFacts(
        host="box", pid=4242, name="<x> \"y\" 'z'.exe", exe="C:\\a & b\\<x> \"y\" 'z'.exe", username="DESK\\Jos\u00e9"
    )


def test_inbound_and_unknown_values(tmp_path: Path) -> None:
    inbound = xml(CONNECT | {"Initiated": "false"})
    nobody = xml(CONNECT | {"Image": "<unknown process>", "User": "-", "ProcessId": "0"})
    undated = xml({k: v for k, v in CONNECT.items() if k != "UtcTime"})
    six = xml(CONNECT | {"SourceIp": "2001:db8:0:0:0:0:0:1", "DestinationIp": "2001:db8::2", "Image": "-"})
    said, faults, _ = read(put(tmp_path, f"{inbound}\n{nobody}\n{undated}\n{six}"))
    assert faults.bad == 0
    assert said[0] == expected(local=REMOTE, local_port=443, remote=LOCAL, remote_port=40000)
    assert said[1].process is None
    assert said[2] == expected(3)
    assert (said[3].local, said[3].remote) == (parse_address("2001:db8::1"), parse_address("2001:db8::2"))
    assert said[3].process == CURL._replace(name=None, exe=None)


def test_the_start_of_a_process_completes_its_connections(tmp_path: Path) -> None:
    other = CONNECT | {"ProcessGuid": "{x}", "ProcessId": "1"}
    reused = CONNECT | {"ProcessId": "4243"}
    events = [xml(CREATE, 1), xml(CONNECT), xml(other), xml(reused), xml(CONNECT, 5)]
    said, faults, _ = read(put(tmp_path, "\n".join(events)))
    assert (faults.bad, len(said)) == (0, 3)
    assert said[0].process == CURL._replace(
        ppid=77, cmdline=CREATE["CommandLine"], cwd="/home/ann", started_at=T0 * S - 3 * S // 4,
        parent_exe="/usr/bin/bash", exe_sha256="ab" * 32,
    )  # fmt: skip
    assert [o.process for o in said[1:]] == [CURL._replace(pid=1), CURL._replace(pid=4243)]
    wrapped = [
        {"Event": {"System": {"EventID": 1, "Computer": "box"}, "EventData": CREATE}},
        {"Event": {"System": {"EventID": 3, "Computer": "box"}, "EventData": CONNECT}},
    ]
    in_json, _, _ = read(put(tmp_path, "\n".join(map(json.dumps, wrapped))))
    assert in_json[0].process == said[0].process


def test_starts_of_processes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = ProcessStarts()
    monkeypatch.setattr("rustnet.attribute.formats.process_starts.STARTS", 10)
    for n in range(30):
        starts.add(f"{{{n}}}", {"pid": n + 1, "cmdline": f"run {n}"}.get)
    lines = [starts.complete(f"{{{n}}}", ProcessFacts(pid=n + 1)).cmdline for n in range(30)]
    assert lines == [None] * 20 + [f"run {n}" for n in range(20, 30)]
    monkeypatch.setattr("rustnet.attribute.formats.process_starts.START_TEXT", 1000)
    starts.add("{long}", {"pid": 1, "cmdline": "x" * 999}.get)
    assert starts.complete("{29}", ProcessFacts(pid=30)).cmdline is None
    assert starts.complete("{long}", ProcessFacts(pid=1)).cmdline == "x" * 999


VIEWED = "Event SYSMONEVENT_CREATE_PROCESS\n\tRuleName: -\n\tProcessGuid: {y}\n\tProcessId: 5\n\n"


def test_sysmon_log_view(tmp_path: Path) -> None:
    values = "".join(f"\t{name}: {value}\n" for name, value in (CONNECT | {"RuleName": "--NULL--"}).items())
    event = "Event SYSMONEVENT_NETWORK_CONNECT\n" + values
    forged = event.replace("/usr/bin/curl", "/tmp/x\n\tDestinationIp: 192.0.2.9")
    said, faults, source = read(put(tmp_path, VIEWED + event + event + forged))
    assert (source, faults.bad, faults.kept[0][1]) == ("sysmon", 1, "two values of the same name")
    nowhere = expected(6, host=None, process=CURL._replace(host=None))
    assert said == [nowhere, nowhere._replace(position=7 + len(CONNECT))]


def test_values_and_addresses_without_end(tmp_path: Path) -> None:
    values = "".join(f"\tValue{n}: x\n" for n in range(MAX_VALUES + 1))
    long = VIEWED + "Event SYSMONEVENT_NETWORK_CONNECT\n\tUtcTime: 0\n" + values
    short = "Event SYSMONEVENT_NETWORK_CONNECT\n" + "".join(f"\t{k}: {v}\n" for k, v in CONNECT.items())
    said, faults, _ = read(put(tmp_path, long + short))
    assert (len(said), faults.bad, faults.kept[0][1]) == (1, 1, f"more than {MAX_VALUES} values")
    ends = _LocalEnds()
    for source in ("192.0.2.1", "x" * 10_000):
        ends.orient({"Event": {"EventData": {"SourceAddress": source, "DestAddress": "192.0.2.2"}}})
    assert ends._own == {"192.0.2.1"}


# ---- Security 5156 -----------------------------------------------------------------------------------------------

SVCHOST = ProcessFacts(
    host="box", pid=2148, name="svchost.exe", exe="\\device\\harddiskvolume5\\windows\\system32\\svchost.exe"
)


@pytest.mark.parametrize("form", ["xml", "json", "winlogbeat", "wazuh"])
def test_connections_of_the_firewall(tmp_path: Path, form: str) -> None:
    said, faults, source = read(put(tmp_path, {
        "xml": lambda: pretty(windows(PERMITTED, 5156)),
        "json": lambda: json.dumps({"Event": {"EventData": PERMITTED, "System": {
            "EventID": 5156, "Computer": "box", "Provider": {"Name": "Microsoft-Windows-Security-Auditing"},
            "TimeCreated": {"#attributes": {"SystemTime": "2026-05-28T20:26:40.500000Z"}}}}}),
        "winlogbeat": lambda: json.dumps({"@timestamp": "2026-05-28T20:26:40.500Z", "winlog": {
            "event_id": "5156", "computer_name": "box", "event_data": PERMITTED,
            "provider_name": "Microsoft-Windows-Security-Auditing"}}),
        "wazuh": lambda: json.dumps({"data": {"win": {
            "system": {"eventID": "5156", "computer": "box", "systemTime": "2026-05-28T20:26:40.5000000Z",
                       "providerName": "Microsoft-Windows-Security-Auditing"},
            "eventdata": {k[0].lower() + k[1:]: v for k, v in PERMITTED.items()}}}}),
    }[form]()))  # fmt: skip
    assert (source, faults.bad, faults.values) == ("windows-security", 0, 0)
    assert said == [expected(process=SVCHOST, quality="event-5156")]


def inbound(source: str, source_port: int, destination: str, port: int, protocol: str = "17") -> str:
    return windows(
        PERMITTED
        | {"Direction": "%%14592", "SourceAddress": source, "SourcePort": str(source_port), "DestAddress": destination,
           "DestPort": str(port), "Protocol": protocol},
        5156,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("event", "local", "port"),
    [
        (inbound("10.0.0.1", 3333, "10.0.0.9", 49278, "6"), "10.0.0.1", 3333),  # the own end first
        (inbound("10.0.0.9", 49278, "10.0.0.1", 3333, "6"), "10.0.0.1", 3333),  # the sender first
        (inbound("10.0.0.1", 60000, "10.0.0.9", 50000), "10.0.0.1", 60000),  # known by its earlier connection
        (inbound("10.0.0.9", 50000, "10.0.0.1", 60000), "10.0.0.1", 60000),
        (inbound("0.0.0.0", 68, "255.255.255.255", 67), "255.255.255.255", 67),
        (inbound("10.0.0.9", 5353, "224.0.0.251", 5353), "224.0.0.251", 5353),
        (inbound("224.0.0.252", 5355, "10.0.0.9", 56927), "224.0.0.252", 5355),
    ],
)
def test_the_own_end_of_inbound_connections(tmp_path: Path, event: str, local: str, port: int) -> None:
    """Versions of Windows differ in which end they call the source of an inbound connection."""
    said, faults, _ = read(put(tmp_path, windows(PERMITTED, 5156) + "\n" + event))
    assert faults.bad == 0
    assert (said[1].local, said[1].local_port) == (parse_address(local), port)


def test_protocols_without_ports(tmp_path: Path) -> None:
    ping = windows(PERMITTED | {"Protocol": "1", "SourcePort": "8", "DestPort": "0"}, 5156)
    six = windows(
        PERMITTED | {"Protocol": "58", "SourceAddress": "2001:db8::1", "DestAddress": "2001:db8::2"}, 5156
    )  # fmt: skip
    said, faults, _ = read(put(tmp_path, ping + six))
    assert faults.bad == 0
    assert [(o.protocol, o.local_port, o.remote_port) for o in said] == [("icmp", None, None)] * 2


def test_a_file_of_several_logs_and_providers(session: Any, tmp_path: Path) -> None:
    """Events of other providers with the same numbers are of another kind, not malformed."""
    first, second = session.flow(), session.flow("10.0.0.1:40001")
    events = [
        windows(PERMITTED | {"SourcePort": "40001"}, 5156),
        windows(),
        windows({"Other": "x"}, 3).replace("Microsoft-Windows-Sysmon", "Some-Service"),
        windows(PERMITTED, 4624),
        (
            f"<Event xmlns='{WINDOWS}'><System><Provider Name='Old'/><EventID Qualifiers='0'>3</EventID></System>"
            "<EventData><Data>unnamed</Data></EventData></Event>"
        ),
        f"<Event xmlns='{WINDOWS}'><System><EventID>1102</EventID></System><UserData><EventXML/></UserData></Event>",
    ]
    path = put(tmp_path, "<Events>" + "".join(events) + "</Events>", "forwarded.xml")
    report = attribute(session.con, 1, [path])
    assert session.verdict(first)[:2] == (4242, "sysmon")
    assert session.verdict(second)[:2] == (2148, "windows-security")
    assert (report.bad_records, report.records) == (0, 2)
    assert session.ask("SELECT source, quality, rank FROM claims ORDER BY rank") == [
        ("sysmon", "event-3", 14), ("windows-security", "event-5156", 18)
    ]  # fmt: skip


def test_a_log_without_a_usable_event_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no windows-security record of a connection: 2 are of another kind"):
        read(put(tmp_path, windows(PERMITTED, 4624) * 2))
    with pytest.raises(InputError, match=r"no sysmon record of a connection \(line 1: an event without its end\)"):
        read(put(tmp_path, windows()[:-9]))


# ---- discovery ---------------------------------------------------------------------------------------------------


def test_a_log_of_many_programs_may_begin_with_others_lines(tmp_path: Path) -> None:
    others = "Nov 12 09:00:00 box cron[7]: (root) CMD (true)\n" * 9000
    said, faults, source = read(put(tmp_path, others + SYSLOG["rfc3164"](xml(CONNECT)), "syslog"))
    assert (said, faults.bad, source) == ([expected(9001)], 0, "sysmon")
    with pytest.raises(InputError, match="unknown sidecar format"):
        read(put(tmp_path, others, "syslog"))


# ---- damage ------------------------------------------------------------------------------------------------------


def decoded(text: str | bytes) -> tuple[list[Any], Faults]:
    faults = Faults()
    raw = text.encode() if isinstance(text, str) else text
    return [record for _, record in event_records(io.BufferedReader(io.BytesIO(raw)), faults)], faults


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (xml(CONNECT)[:700] + "\n", "an event without its end"),
        (xml(CONNECT)[700:] + "\n", "the end of an event without its beginning"),
        (xml(CONNECT | {"Image": "/a"}).replace("/a<", "/<a>b<"), "invalid XML in the event's data"),
        (xml(CONNECT).replace("curl<", "&lol;<"), "undefined entity 'lol'"),
        (xml(CONNECT).replace("curl<", "&#x110000;<"), "a character beyond Unicode"),
        (xml(CONNECT).replace('"SourcePort"', '"SourceIp"'), "two values of the same name"),
        (xml(CONNECT).replace("<EventID>3</EventID>", ""), "an event without EventID"),
        (xml(CONNECT | {"RuleName": "x" * MAX_RECORD}), f"longer than {MAX_RECORD} characters"),
        (xml(CONNECT)[:-8] + "y" * (MAX_RECORD + 4 * CHUNK) + "\n", f"longer than {MAX_RECORD} characters"),
        (xml(CONNECT).replace("<Data Name", "<![CDATA[x]]><Data Name", 1).replace(">tcp<", "><![CDATA[tcp]]><"),
         "invalid XML in the event's data"),
    ],
)  # fmt: skip
def test_damage_affects_only_its_own_event(damaged: str, reason: str) -> None:
    records, faults = decoded(f"{xml(CONNECT)}\n{damaged}\n{xml(CONNECT)}\n")
    assert [record["Event"]["EventData"]["SourcePort"] for record in records] == ["40000", "40000"]
    assert (faults.bad, faults.kept[0]) == (1, (2, reason))


def test_an_event_that_is_still_being_written() -> None:
    records, faults = decoded(xml(CONNECT) + "\n" + xml(CONNECT)[:300])
    assert (len(records), faults.kept) == (1, [(2, "an event without its end")])


def test_declarations_are_not_read(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "&b;&b;"><!ENTITY b SYSTEM "file:///etc/passwd">]>\n'
    said, faults, _ = read(put(tmp_path, bomb + windows() + windows(CONNECT | {"User": "x"}).replace(">x<", ">&a;<")))
    assert (said, faults.bad, faults.kept[0][1]) == ([expected(2)], 1, "undefined entity 'a'")


@pytest.mark.parametrize("place", range(-12, 13))
def test_events_over_the_borders_of_chunks(place: int) -> None:
    filler = "x" * (CHUNK - 600 + place)
    text = filler + xml(CONNECT) + "y" * (CHUNK - len(xml(CONNECT)) + 590) + "\n" + xml(CONNECT)
    for whole in (text, "x" * (CHUNK + place) + xml(CONNECT) + "\n" + "z" * (CHUNK + place) + xml(CONNECT)):
        records, faults = decoded(whole)
        assert (len(records), faults.bad) == (2, 0)


@pytest.mark.parametrize("piece", ["<Event>", "</Event>", "<Event ", "<Event><EventData>", "<Event><EventID>3 ", "\t<"])
def test_work_is_linear_in_the_input(piece: str) -> None:
    def work(size: int) -> object:
        return list(xml_records(io.BytesIO((piece * (size // len(piece))).encode()), Faults()))

    assert_linear(work, 1 << 19, slack=0.2)


def test_addresses_of_hosts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "MAX_ADDRESSES", 2)
    ends = event_log._LocalEnds()
    for n in range(9):
        ends.orient({"EventData": {"SourceAddress": f"10.0.0.{n}", "DestAddress": "192.0.2.1", "Direction": "%%14593"}})
    assert len(ends._own) == 2


FILES = [
    "".join(SYSLOG["rfc3164"](xml(CONNECT | {"SourcePort": str(n)})) for n in range(1, 9)).encode(),
    LAYOUTS["utf-16"]([pretty(windows(CREATE, 1)), pretty(windows()), windows(PERMITTED, 5156)]),
    "".join(map(SYSLOG["journal"], [xml(CONNECT), xml(CREATE, 1), xml(CONNECT)])).encode(),
    (VIEWED + "Event SYSMONEVENT_NETWORK_CONNECT\n" + "".join(f"\t{k}: {v}\n" for k, v in CONNECT.items())).encode(),
]


@settings(max_examples=examples(150), deadline=None)
@given(st.integers(0, len(FILES) - 1), st.integers(0, 2**32), st.integers(1, 40))
def test_damaged_files_never_raise(tmp_path_factory: pytest.TempPathFactory, kind: int, seed: int, cuts: int) -> None:
    """Bytes changed, taken away, put in and copied: every record is an observation, or counted with its reason."""
    chance = random.Random(seed)
    raw = bytearray(FILES[kind])
    for _ in range(cuts):
        at = chance.randrange(len(raw))
        what = chance.randrange(4)
        if what == 0:
            raw[at] = chance.randrange(256)
        elif what == 1:
            del raw[at : at + chance.randrange(60)]
        elif what == 2:
            raw[at:at] = chance.choice(
                [b"<", b"&", b"</Event>", b"<Event>", b"\0", b"\xff", b"&#9999999;", b'"', b"<Data"]
            )
        else:
            raw[at:at] = raw[at : at + chance.randrange(400)]
        raw = raw or bytearray(b"x")
    path = put(tmp_path_factory.getbasetemp(), bytes(raw), "damaged.log")
    with contextlib.suppress(InputError):
        said, faults, _ = read(path, "sysmon")
        assert all(o.local_port or o.remote or o.protocol not in ("tcp", "udp") for o in said)
        assert len(faults.kept) == min(faults.bad, 10)
