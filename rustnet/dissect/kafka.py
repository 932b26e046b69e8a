"""Apache Kafka's protocol (kafka.apache.org, "Protocol guide"; no RFC): API calls and their clients.

One row per request, stored with its response, or when the flow ends. Bodies are skipped, except that of ApiVersions,
which names the client's library.
"""

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import text
from rustnet.dissect.framework.requests import RequestParser
from rustnet.records import I32, U16, U32, Identifier, Software, Word, record

MAX_REQUEST = 100 << 20
"""Bytes of a request that a broker accepts by default."""
MAX_CLIENT_ID = 255
MAX_VERSION = 30
"""Largest plausible version of an API."""
_HEAD = 512
"""Bytes of a request that are read."""
_NAMES = (
    "Produce Fetch ListOffsets Metadata LeaderAndIsr StopReplica UpdateMetadata ControlledShutdown OffsetCommit "
    "OffsetFetch FindCoordinator JoinGroup Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups SaslHandshake "
    "ApiVersions CreateTopics DeleteTopics DeleteRecords InitProducerId OffsetForLeaderEpoch AddPartitionsToTxn "
    "AddOffsetsToTxn EndTxn WriteTxnMarkers TxnOffsetCommit DescribeAcls CreateAcls DeleteAcls DescribeConfigs "
    "AlterConfigs AlterReplicaLogDirs DescribeLogDirs SaslAuthenticate CreatePartitions CreateDelegationToken "
    "RenewDelegationToken ExpireDelegationToken DescribeDelegationToken DeleteGroups ElectLeaders "
    "IncrementalAlterConfigs AlterPartitionReassignments ListPartitionReassignments OffsetDelete "
    "DescribeClientQuotas AlterClientQuotas DescribeUserScramCredentials AlterUserScramCredentials Vote "
    "BeginQuorumEpoch EndQuorumEpoch DescribeQuorum AlterPartition UpdateFeatures Envelope FetchSnapshot "
    "DescribeCluster DescribeProducers BrokerRegistration BrokerHeartbeat UnregisterBroker DescribeTransactions "
    "ListTransactions AllocateProducerIds ConsumerGroupHeartbeat ConsumerGroupDescribe ControllerRegistration "
    "GetTelemetrySubscriptions PushTelemetry AssignReplicasToDirs ListConfigResources DescribeTopicPartitions "
    "ShareGroupHeartbeat ShareGroupDescribe ShareFetch ShareAcknowledge AddRaftVoter RemoveRaftVoter "
    "UpdateRaftVoter InitializeShareGroupState ReadShareGroupState WriteShareGroupState DeleteShareGroupState "
    "ReadShareGroupStateSummary StreamsGroupHeartbeat StreamsGroupDescribe DescribeShareGroupOffsets "
    "AlterShareGroupOffsets DeleteShareGroupOffsets "
)
_APIS = tuple(_NAMES.split())
_METADATA, _SASL_HANDSHAKE, _VERSIONS = 3, 17, 18
_OPENINGS = frozenset({_METADATA, _SASL_HANDSHAKE, _VERSIONS})
"""APIs that a connection begins with."""
_PORTS = (9092, 9093, 9094)


@record("kafka")
class Kafka:
    """One Kafka request."""

    api: Word | None = None
    """Name of the API."""
    api_version: U16 | None = None
    """Version of the API."""
    client_id: Identifier | None = None
    """Identifier that the client gives itself."""
    correlation_id: I32 | None = None
    """Number by which the response belongs to the request."""
    client_software: Software | None = None
    """Name of the client's library, with ApiVersions."""
    client_version: Software | None = None
    """Version of the client's library, with ApiVersions."""
    frame_bytes: U32 | None = None
    """Bytes of the request, without its length."""
    reply_bytes: U32 | None = None
    """Bytes of the response, without its length; NULL if it was not seen."""
    response_ms: float | None = None
    """From the request to its response, in milliseconds."""


class KafkaParser(RequestParser[int, Kafka]):
    """One connection."""

    __slots__ = ("client",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.client = talk.dst_port in _PORTS or talk.src_port not in _PORTS
        """Direction of the client: the flow's initiator, unless only its port is a standard one."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read heads of requests or responses; skips bodies."""
        pos = 0
        size = len(data)
        while size - pos >= 8 and not self.talk.finished:
            length = int.from_bytes(data[pos : pos + 4], "big")
            if not 4 <= length <= MAX_REQUEST:
                raise DissectError("message length {length} is out of range", length=length)
            if from_src == self.client:
                if size - pos < 4 + min(length, _HEAD):
                    return pos
                self._request(data[pos + 4 : pos + 4 + min(length, _HEAD)], length)
            else:
                self._response(int.from_bytes(data[pos + 4 : pos + 8], "big", signed=True), length)
            pos += 4 + length
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Store what is pending: the beginning of the next message cannot be found."""
        self.close()
        self.talk.finish()

    def close(self) -> None:
        """Store the requests that got no response."""
        for entry in self.waiting.drain():
            self.store_row(*entry)

    def _request(self, head: bytes, length: int) -> None:
        if len(head) < 10:
            return
        key = head[0] << 8 | head[1]
        version = head[2] << 8 | head[3]
        if key >= len(_APIS) or version > MAX_VERSION:
            return  # a SASL token of old clients, which has no head
        row = Kafka(api=_APIS[key], api_version=version, frame_bytes=length)
        row.correlation_id = int.from_bytes(head[4:8], "big", signed=True)
        size = int.from_bytes(head[8:10], "big", signed=True)
        if size > 0:
            row.client_id = text(head[10 : 10 + size])
        if key == _VERSIONS and version >= 3:
            self._library(row, head, 10 + max(0, size))
        self.add_request(row.correlation_id, row)

    def _library(self, row: Kafka, head: bytes, pos: int) -> None:
        """Read name and version of the client's library (ApiVersions 3), unless tagged fields precede them."""
        if pos + 2 >= len(head) or head[pos] or not 0 < head[pos + 1] < 0x80:
            return
        end = pos + 1 + head[pos + 1]
        row.client_software = text(head[pos + 2 : end]) or None
        if end < len(head) and 0 < head[end] < 0x80:
            row.client_version = text(head[end + 1 : end + head[end]]) or None

    def _response(self, number: int, length: int) -> None:
        entry = self.waiting.take(number)
        if entry is None:
            return
        row, ts, packet = entry
        row.reply_bytes = length
        row.response_ms = elapsed(ts, self.talk.ts)
        self.store_row(row, ts, packet)


def _probe_kafka(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a request whose header fits its length; on other ports only one that opens a connection."""
    if data and data[0] > 6:
        return NO
    size = len(data)
    on_port = talk.dst_port in _PORTS or talk.src_port in _PORTS
    if size < 14:
        return MORE if on_port and data[:1] in {b"", b"\0"} else NO
    length = int.from_bytes(data[:4], "big")
    if not 10 <= length <= MAX_REQUEST or (not on_port and data[4]):
        return NO
    client = from_src == (talk.dst_port in _PORTS or talk.src_port not in _PORTS)
    key = data[4] << 8 | data[5]
    named = data[12] << 8 | data[13]
    if on_port and not client:
        return YES if size <= 4 + length and int.from_bytes(data[4:8], "big") < 1 << 24 else NO
    if key >= len(_APIS) or data[6] or data[7] > MAX_VERSION or data[8] & 0x80:
        return NO
    if not 0 < named <= min(MAX_CLIENT_ID, length - 10):
        return YES if named == 0xFFFF and on_port and size == 4 + length else NO
    if size < 14 + named:
        return MORE
    name = data[14 : 14 + named]
    if not name.isascii() or not name.decode("ascii").isprintable():
        return NO
    return YES if on_port or (key in _OPENINGS and size == 4 + length) else NO


KAFKA = Dissector(
    "kafka", "Apache Kafka protocol (KIP-511)", ("tcp",), _PORTS, (Kafka,), _probe_kafka, KafkaParser,
    first=bytes(range((MAX_REQUEST >> 24) + 1)),
)  # fmt: skip
