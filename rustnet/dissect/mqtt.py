"""MQTT 3.1, 3.1.1 and 5 (OASIS standards; no RFC): clients, topics and QoS, never the payload.

One row per message, of subscriptions one per topic filter; pings and acknowledgements of PUBLISH get none.
"""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import RowParser, need, text
from rustnet.records import U8, U16, U64, Identifier, ObjectName, User, Word, record

MAX_CONTROL = 65_000
"""Bytes of a message other than PUBLISH."""
MAX_FILTERS = 100
"""Topic filters of one message that get rows."""
MAX_ALIASES = 64
_CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE, _SUBACK, _UNSUBSCRIBE, _DISCONNECT, _AUTH = 1, 2, 3, 8, 9, 10, 14, 15
_NAMES = {
    1: "connect", 2: "connack", 3: "publish", 8: "subscribe", 9: "suback", 10: "unsubscribe", 14: "disconnect",
    15: "auth",
}  # fmt: skip
_SILENT = frozenset({4, 5, 6, 7, 11, 12, 13})
"""Acknowledgements and pings."""
_FLAGS = {6: 2, 8: 2, 10: 2}
"""Flags that a message type must have, if not 0."""
_VERSIONS = {3: "3.1", 4: "3.1.1", 5: "5.0"}
_SIZES = {
    0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1, 0x27: 4,
    0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
"""Properties of MQTT 5 of fixed size."""
_TOPIC_ALIAS = 0x23
_PORTS = (1883, 1884)
_LEAST = (0, 0, 2, 0, 2, 2, 2, 2, 6, 3, 4, 2, 0, 0, 0, 0)
"""Shortest remaining length, by kind of message."""


@record("mqtt")
class Mqtt:
    """One MQTT message, or one topic filter of it."""

    message: Word | None = None
    """`connect`, `connack`, `publish`, `subscribe`, `suback`, `unsubscribe`, `disconnect`, `auth`."""
    version: Word | None = None
    """Version of the connection: `3.1`, `3.1.1`, `5.0`; NULL if its beginning was not seen."""
    client_id: Identifier | None = None
    """Identifier of the connection's client."""
    username: User | None = None
    """User, with CONNECT."""
    has_password: bool = False
    """A password was sent."""
    keep_alive_s: U16 | None = None
    """Longest silence of the client that the server allows, in seconds."""
    clean_session: bool | None = None
    """The client begins without an earlier session's state."""
    will_topic: ObjectName | None = None
    """Topic of the message that the server sends should the client be lost."""
    topic: ObjectName | None = None
    """Topic, or topic filter."""
    qos: U8 | None = None
    """Quality of service: 0 at most once, 1 at least once, 2 exactly once."""
    retain: bool | None = None
    """The server keeps the publication for later subscribers."""
    duplicate: bool | None = None
    """The publication is sent again."""
    payload_bytes: U64 | None = None
    """Bytes of the publication."""
    result_code: U8 | None = None
    """Return or reason code; of several the first. 0 is success."""


class MqttParser(RowParser):
    """One connection."""

    __slots__ = ("aliases", "client_id", "level")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.level = 0
        """Protocol level of the connection: 3, 4 or 5; 0 if unknown."""
        self.client_id: str | None = None
        self.aliases: list[dict[int, str]] = [{}, {}]
        """By direction: topics by their alias (MQTT 5)."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read messages; a publication's payload may be skipped beyond ``data``."""
        pos = 0
        size = len(data)
        while size - pos >= 2 and not self.talk.finished:
            length, start = _remaining(data, pos + 1)
            if start < 0:
                return pos
            kind = data[pos] >> 4
            if kind == _PUBLISH:
                after = self._publish(data, pos, start, length, from_src)
                if after == pos:
                    return pos
                pos = after
                continue
            if kind == 0 or data[pos] & 15 != _FLAGS.get(kind, 0) or length > MAX_CONTROL:
                raise DissectError("expected a control packet")
            end = start + length
            if end > size:
                return pos
            if kind not in _SILENT:
                self._message(kind, data[start:end])
            pos = end
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Stop reading: the beginning of the next message is unknown."""
        self.talk.finish()

    def _row(self, kind: int) -> Mqtt:
        return Mqtt(message=_NAMES[kind], version=_VERSIONS.get(self.level), client_id=self.client_id)

    def _message(self, kind: int, body: bytes) -> None:
        if kind == _CONNECT:
            self._connect(body)
        elif kind in {_SUBSCRIBE, _UNSUBSCRIBE}:
            self._filters(kind, body)
        else:
            self._outcome(kind, body)

    def _connect(self, body: bytes) -> None:
        name, pos = _text(body, 0)
        need(body, pos + 4, "CONNECT")
        if name not in {b"MQTT", b"MQIsdp"}:
            raise DissectError("unknown protocol name in a CONNECT")
        self.level = body[pos] & 0x7F
        flags = body[pos + 1]
        keep_alive = body[pos + 2] << 8 | body[pos + 3]
        pos += 4
        if self.level == 5:
            _, pos = _properties(body, pos)
        client_id, pos = _text(body, pos)
        self.client_id = text(client_id)
        row = self._row(_CONNECT)
        row.keep_alive_s = keep_alive
        row.clean_session = bool(flags & 2)
        if flags & 4:
            if self.level == 5:
                _, pos = _properties(body, pos)
            topic, pos = _text(body, pos)
            _, pos = _text(body, pos)
            row.will_topic = text(topic)
            row.qos = flags >> 3 & 3
            row.retain = bool(flags & 0x20)
        if flags & 0x80:
            user, pos = _text(body, pos)
            row.username = text(user)
        row.has_password = bool(flags & 0x40)
        if row.has_password:
            self.talk.keep_secret(body[pos + 2 :])
        self.store_row(row)

    def _filters(self, kind: int, body: bytes) -> None:
        """Read the topic filters of SUBSCRIBE or UNSUBSCRIBE."""
        pos = 2
        if self.level == 5:
            _, pos = _properties(body, pos)
        for _ in range(MAX_FILTERS):
            if pos >= len(body):
                break
            topic, pos = _text(body, pos)
            row = self._row(kind)
            row.topic = text(topic)
            if kind == _SUBSCRIBE:
                need(body, pos + 1, "SUBSCRIBE")
                row.qos = body[pos] & 3
                pos += 1
            self.store_row(row)

    def _outcome(self, kind: int, body: bytes) -> None:
        """Read a message with a result code."""
        row = self._row(kind)
        if kind == _CONNACK:
            need(body, 2, "CONNACK")
            row.result_code = body[1]
        elif kind == _SUBACK:
            row.result_code = body[-1] if len(body) == 3 else None
            if self.level == 5:
                _, pos = _properties(body, 2)
                row.result_code = body[pos] if pos < len(body) else None
            elif len(body) > 2:
                row.result_code = body[2]
        elif body:
            row.result_code = body[0]
        elif self.level == 5:
            row.result_code = 0
        self.store_row(row)

    def _publish(self, data: bytes, pos: int, start: int, length: int, from_src: bool) -> int:
        """Read a publication's head; its payload is skipped."""
        flags = data[pos] & 15
        qos = flags >> 1 & 3
        if qos == 3 or length < 2:
            raise DissectError("invalid QoS or length of a PUBLISH")
        end = start + length
        if len(data) < start + 2:
            return pos
        after = start + 2 + (data[start] << 8 | data[start + 1])
        head = after + (2 if qos else 0)
        if head > end:
            raise DissectError("topic exceeds its PUBLISH")
        if len(data) < min(end, head + (512 if self.level == 5 else 0)):
            return pos
        row = self._row(_PUBLISH)
        row.topic = text(data[start + 2 : after])
        if self.level == 5:
            properties, head = _properties(data[:end], head)
            self._alias(row, properties.get(_TOPIC_ALIAS), from_src)
        row.qos = qos
        row.retain = bool(flags & 1)
        row.duplicate = bool(flags & 8)
        row.payload_bytes = max(0, end - head)
        self.store_row(row)
        return end

    def _alias(self, row: Mqtt, alias: int | None, from_src: bool) -> None:
        """Learn or use a topic's alias."""
        known = self.aliases[from_src]
        if alias is None:
            return
        if row.topic:
            if len(known) < MAX_ALIASES:
                known[alias] = row.topic
        else:
            row.topic = known.get(alias)


def _remaining(data: bytes, pos: int) -> tuple[int, int]:
    """Variable byte integer, and the position after it, which is -1 while it is incomplete."""
    value = 0
    for shift in (0, 7, 14, 21):
        if pos >= len(data):
            return 0, -1
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
    raise DissectError("remaining length takes more than four bytes")


def _text(body: bytes, pos: int) -> tuple[bytes, int]:
    """Length-prefixed bytes, and the position after them."""
    need(body, pos + 2, "string")
    end = pos + 2 + (body[pos] << 8 | body[pos + 1])
    need(body, end, "string")
    return body[pos + 2 : end], end


def _properties(body: bytes, pos: int) -> tuple[dict[int, int], int]:
    """Properties of fixed size (MQTT 5, 2.2.2), and the position after all properties."""
    length, start = _remaining(body, pos)
    if start < 0:
        raise DissectError("truncated properties")
    properties: dict[int, int] = {}
    end = start + length
    at = start
    while at < min(end, len(body)):
        kind = body[at]
        size = _SIZES.get(kind)
        if size is not None:
            properties[kind] = int.from_bytes(body[at + 1 : at + 1 + size], "big")
            at += 1 + size
            continue
        break  # the rest is not needed
    return properties, end


def _probe_mqtt(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a CONNECT or a consistent PUBLISH; on the standard ports any message, of an earlier connection."""
    if not data or data[0] == 0x10:
        return _probe_connect(data)
    on_port = talk.dst_port in _PORTS or talk.src_port in _PORTS
    kind = data[0] >> 4
    if not on_port and kind != _PUBLISH:
        return NO
    if len(data) < 4:
        return (
            MORE
            if on_port and kind and not data.startswith((b"\xc0\0", b"\xd0\0"))
            else YES
            if on_port and kind
            else NO
        )
    length, start = _remaining(data, 1)
    if kind == 2:
        return YES if on_port and 2 <= length < 4096 and data[2] < 2 else NO
    if kind == _PUBLISH and on_port and data[0] & 6 != 6 and start > 0 and _topic(data, start, length):
        return YES  # its end may be far
    return YES if _fits(data) else NO


def _probe_connect(data: bytes) -> int:
    if len(data) < 2:
        return MORE
    length, start = _remaining(data, 1)
    if start < 0:
        return MORE
    head = data[start : start + 9]
    if length < 12 or not (b"\0\x04MQTT".startswith(head[:6]) or b"\0\x06MQIsdp".startswith(head[:8])):
        return NO
    if len(head) < (7 if head[1:2] == b"\x04" else 9):
        return MORE
    return YES if head[6 if head[1] == 4 else 8] & 0x7F in _VERSIONS else NO


def _topic(data: bytes, start: int, length: int) -> bool:
    """Whether a publication begins with a topic: visible characters, no wildcards."""
    size = data[start] << 8 | data[start + 1] if len(data) >= start + 2 else 0
    topic = data[start + 2 : start + 2 + size]
    return 0 < size == len(topic) <= length - 2 and topic.isascii() and topic.decode("ascii").isprintable()


def _fits(data: bytes) -> bool:
    """Whether complete messages fill the data, each with valid flags and length."""
    pos = 0
    for _ in range(32):
        kind = data[pos] >> 4
        length, start = _remaining(data, pos + 1)
        if start < 0 or start + length > len(data):
            return False
        if kind == _PUBLISH:
            if data[pos] & 6 == 6 or not _topic(data, start, length):
                return False
        elif not 3 < kind < 15 or data[pos] & 15 != _FLAGS.get(kind, 0) or not _LEAST[kind] <= length <= MAX_CONTROL:
            return False
        pos = start + length
        if pos == len(data):
            return True
    return True


MQTT = Dissector(
    "mqtt", "MQTT 3.1, 3.1.1, 5 (OASIS)", ("tcp",), _PORTS, (Mqtt,), _probe_mqtt, MqttParser,
    first=bytes((0x10, *range(0x30, 0x40))),
)  # fmt: skip
