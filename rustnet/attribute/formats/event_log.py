"""Decode event logs of Windows and of Sysmon for Linux into dicts, in the layout of evtx_dump's JSON.

Windows' event XML comes from Event Viewer, wevtutil, ``Get-WinEvent`` and evtx_dump, with a root or without, on one
line or many, in UTF-8 or UTF-16. Sysmon for Linux writes the same elements into lines of syslog and the journal. No XML
parser reads them: an event is what lies between its tags, values are text without tags, only the five entities of XML
and characters by number are known, and declarations are not read at all, so that nothing can be expanded.
"""

import codecs
import re
from typing import BinaryIO

from rustnet.attribute.formats.log_syntax import (
    CHUNK,
    MAX_RECORD,
    Record,
    Records,
    as_utf8,
    encoding,
    json_records,
    lines,
)
from rustnet.attribute.observation import Faults
from rustnet.attribute.values import BadValue, shown

_SYSMON = frozenset(("Microsoft-Windows-Sysmon", "Linux-Sysmon", ""))
READ = {"1": _SYSMON, "3": _SYSMON, "5156": frozenset(("Microsoft-Windows-Security-Auditing", ""))}
"""Events whose values are decoded, with their providers: Sysmon's starts of processes and connections, and connections
of Windows' firewall."""

MAX_ADDRESSES = 1024
"""Maximum number of addresses of recording hosts that are kept, by which their ends are known."""

MAX_ADDRESS = 64
"""Characters of an address."""

MAX_VALUES = 64
"""Values of an event that sysmonLogView prints; none has half as many."""

_START = re.compile(r"<Event(?=[\s>])")
_END = "</Event>"
_JSON = re.compile(rb"\s*\[?\s*\{")
_HEAD = 65_536
"""Bytes by which the layout of a file is chosen."""

_ID = re.compile(r"<EventID(?:\s[^<>]*)?>\s*(\d{1,10})\s*</EventID>")
_PROVIDER = re.compile(r"<Provider\s+Name=[\"']([^\"'<]*)[\"']")
_COMPUTER = re.compile(r"<Computer>([^<]*)</Computer>")
_TIME = re.compile(r"<TimeCreated\s+SystemTime=[\"']([^\"'<]*)[\"']")
_DATA = re.compile(r"<Data\s+Name=[\"']([^\"'<]*)[\"']\s*(?:/>|>([^<]*)</Data>)")
_ENTITY = re.compile(r"&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|(\w{1,32}));", re.ASCII)
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_UNSET = frozenset(("", "-", "--NULL--"))
"""Values that stand for an unknown one."""


def event_records(file: BinaryIO, faults: Faults) -> Records:
    """Events of a log in XML, in JSON, in JSON that holds XML (journald, shippers of logs), or of sysmonLogView."""
    head = as_utf8(file.peek(1)[:_HEAD])  # type: ignore[attr-defined]  # opened files are buffered
    local = _LocalEnds()
    if _JSON.match(head):
        records = _json_events(file, faults)
    elif b"<Event" not in head and b"Event SYSMONEVENT_" in head:
        records = viewed_records(file, faults)
    else:
        records = xml_records(file, faults)
    for position, record in records:
        local.orient(record)
        yield position, record


# ---- XML ---------------------------------------------------------------------------------------------------------


def xml_records(file: BinaryIO, faults: Faults) -> Records:
    """Events in a text, whatever is around them; ``EventData`` is empty for events that `READ` does not have."""
    raw = file.read(CHUNK)
    decoder = codecs.getincrementaldecoder(encoding(raw))("replace")
    text, at, line, searched = decoder.decode(raw), 0, 1, 0
    while True:
        end = text.find(_END, max(at, searched))
        if end >= 0:
            begin = -1
            for start in _START.finditer(text, at, end):
                if begin >= 0:
                    faults.malformed(line, "an event without its end")
                line += text.count("\n", at, start.start())
                at = begin = start.start()
            after = line + text.count("\n", at, end)
            if begin < 0:
                faults.malformed(after, "the end of an event without its beginning")
            else:
                try:
                    yield line, _event(text, begin, end)
                except BadValue as bad:
                    faults.malformed(line, str(bad))
            line, at = after, end + len(_END)
            continue
        searched = max(at, len(text) - len(_END) + 1)
        first = _START.search(text, at)
        kept = first.start() if first else max(at, len(text) - len("<Event "))
        line += text.count("\n", at, kept)
        at = kept
        if first and (not raw or len(text) - at > MAX_RECORD):
            faults.malformed(line, "an event without its end" if not raw else f"longer than {MAX_RECORD} characters")
            at = first.end()
        elif not raw:
            return
        else:
            raw = file.read(CHUNK)
            searched -= at
            text, at = text[at:] + decoder.decode(raw, not raw), 0


def _event(text: str, begin: int, end: int) -> Record:
    """The event between two positions; raises `BadValue` if its parts are not there or not valid."""
    if end - begin > MAX_RECORD:
        raise BadValue(f"longer than {MAX_RECORD} characters")
    data_at = text.find("<EventData", begin, end)
    system = end if data_at < 0 else data_at
    number = _ID.search(text, begin, system)
    if number is None:
        raise BadValue("an event without EventID")
    provider = _PROVIDER.search(text, begin, system)
    about: Record = {"EventID": "0"}  # numbers of other providers mean other events
    data: Record = {}
    if (provider[1] if provider else "") in READ.get(number[1], ()):
        about["EventID"] = number[1]
        if computer := _COMPUTER.search(text, begin, system):
            about["Computer"] = _unescaped(computer[1])
        if created := _TIME.search(text, begin, system):
            about["TimeCreated"] = {"SystemTime": created[1].removesuffix(" UTC")}
        if data_at >= 0:
            data = _values(text, data_at, end)
    return {"Event": {"System": about, "EventData": data}}


def _values(text: str, begin: int, end: int) -> Record:
    """Named values of an event's data, without unknown ones."""
    close = text.find("</EventData>", begin, end)
    end = end if close < 0 else close
    elements: list[tuple[str, str]] = _DATA.findall(text, begin, end)
    if len(elements) != text.count("<Data", begin, end):
        raise BadValue("invalid XML in the event's data")
    values = dict(elements)
    if len(values) != len(elements):
        raise BadValue("two values of the same name")
    if text.find("&", begin, end) >= 0:
        values = {name: _unescaped(value) for name, value in elements}
    return {name: value for name, value in values.items() if value not in _UNSET}


def _unescaped(value: str) -> str:
    """Text with its entities replaced; raises `BadValue` for one that XML itself does not define."""
    return _ENTITY.sub(_character, value) if "&" in value else value


def _character(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name is not None:
        if name not in _ENTITIES:
            raise BadValue(f"undefined entity {shown(name)}")
        return _ENTITIES[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    if code > 0x10FFFF:
        raise BadValue("a character beyond Unicode")
    return chr(code)


# ---- other layouts -----------------------------------------------------------------------------------------------


def _json_events(file: BinaryIO, faults: Faults) -> Records:
    """Records of a JSON log; one whose message is an event in XML becomes that event."""
    for position, record in json_records(file, faults):
        text = _message(record)
        start = _START.search(text)
        if start is None:
            yield position, record
            continue
        end = text.find(_END, start.end())
        if end < 0:
            faults.malformed(position, "an event without its end")
            continue
        try:
            yield position, _event(text, start.start(), end)
        except BadValue as bad:
            faults.malformed(position, str(bad))


def _message(record: Record) -> str:
    """Text of a record that holds an event in XML; empty if none does."""
    if "Event" in record or "winlog" in record:
        return ""
    for value in record.values():
        if type(value) is str and "<Event" in value:
            return value
        if type(value) is list and value[:1] == [60] and all(type(n) is int and 0 <= n < 256 for n in value):
            return bytes(value).decode("utf-8", "replace")  # journald writes text that is not UTF-8 as numbers
    return ""


_EVENT_NAMES = {"SYSMONEVENT_CREATE_PROCESS": "1", "SYSMONEVENT_NETWORK_CONNECT": "3"}
_VIEWED = re.compile(r"\t(\w{1,64}): (.*)", re.ASCII)


def viewed_records(file: BinaryIO, faults: Faults) -> Records:
    """Events as sysmonLogView prints them: a line with the event's name, and an indented one for each value."""
    position, number, fault = 0, "", ""
    data: Record = {}
    for line_number, line in lines(file, faults):
        if line.startswith("Event SYSMONEVENT_"):
            yield from _viewed(position, number, data, faults, fault)
            name = line[6:].strip().removesuffix("_EVENT")
            position, number, data, fault = line_number, _EVENT_NAMES.get(name, "0"), {}, ""
        elif number in READ and not fault and (match := _VIEWED.fullmatch(line)):
            if match[1] in data:  # a line feed in a value may begin what looks like another value
                fault = "two values of the same name"
            elif len(data) >= MAX_VALUES:
                fault = f"more than {MAX_VALUES} values"
            data[match[1]] = match[2]
    yield from _viewed(position, number, data, faults, fault)


def _viewed(position: int, number: str, data: Record, faults: Faults, fault: str) -> Records:
    """Yield one event of sysmonLogView, if there is one and it is valid."""
    if fault:
        faults.malformed(position, fault)
    elif position:
        known = {name: value for name, value in data.items() if value not in _UNSET}
        yield position, {"Event": {"System": {"EventID": number}, "EventData": known}}


# ---- connections of the firewall ---------------------------------------------------------------------------------

_ROOTS = (("Event", "EventData"), ("winlog", "event_data"), ("data", "win", "eventdata"), ("EventData",), ())
_INBOUND = frozenset(("%%14592", "inbound"))


class _LocalEnds:
    """Which end of an inbound connection of event 5156 is the recording host's.

    Windows versions differ: some write the host's own end as the source, others the sender's. Outbound connections
    always begin at the host, which shows its addresses. Where neither or both ends have one of these, the lower port
    is the one that listened.
    """

    def __init__(self) -> None:
        self._own: set[object] = set()

    def orient(self, record: Record) -> None:
        """Set `Inbound` of a connection whose source is the remote end."""
        data = _inner(record)
        source, destination = _either(data, "SourceAddress"), _either(data, "DestAddress")
        if type(source) is not str or type(destination) is not str:
            return
        if str(_either(data, "Direction")).lower() not in _INBOUND:
            if len(self._own) < MAX_ADDRESSES and len(source) <= MAX_ADDRESS:
                self._own.add(source)
            return
        owned = source in self._own, destination in self._own
        if owned[0] == owned[1]:
            owned = _number(_either(data, "SourcePort")) < _number(_either(data, "DestPort")), False
        data["Inbound"] = "false" if owned[0] else "true"


def _inner(record: Record) -> Record:
    """The object of a record that has the values; empty if there is none."""
    for keys in _ROOTS:
        value: object = record
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, dict):
            return value
    return {}


def _either(data: Record, name: str) -> object:
    """A value, whose name Wazuh begins with a small letter."""
    return data[name] if name in data else data.get(name[0].lower() + name[1:])


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
