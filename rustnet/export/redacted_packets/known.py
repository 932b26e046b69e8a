"""What a session knows of the packets of a capture: their flows, and with them their protocols."""

import typing
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rustnet.export.redacted_packets.binary import BinaryAddresses
from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.policy.redaction.redactor import Redactor

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

MOST_FLOWS = 1 << 16
"""Flows whose contexts are remembered."""
PACKETS = 1 << 18
"""Packets whose flows are read at once."""

_FLOWS = """
SELECT flow_id, coalesce(app, '') AS app, coalesce(src_port, 0) AS src_port, coalesce(dst_port, 0) AS dst_port,
    protocol = 'tcp' AS is_tcp
FROM flows WHERE capture_id = $capture AND protocol IN ('tcp', 'udp') ORDER BY flow_id"""
_PACKETS = """
SELECT number, flow_id, from_src, payload > 0 OR tcp_flags & 7 > 0 AS counts FROM packets
WHERE capture_id = $capture AND number BETWEEN $first AND $last AND flow_id IS NOT NULL ORDER BY number"""


@dataclass(slots=True)
class Flow:
    """A flow of a session: contexts of the payloads of both directions."""

    number: int
    client: PayloadContext
    server: PayloadContext


class KnownFlows:
    """Flows of the packets of one capture."""

    def __init__(self, session: "Session", capture_id: int, redactor: Redactor, addresses: BinaryAddresses) -> None:
        self._session = session
        self._capture = capture_id
        self._redactor = redactor
        self._addresses = addresses
        columns = session.arrays(_FLOWS, {"capture": capture_id})
        self._ids = columns["flow_id"]
        self._apps = columns["app"]
        self._is_tcp = columns["is_tcp"]
        self._source_ports, self._destination_ports = columns["src_port"], columns["dst_port"]
        self._flows: dict[int, Flow] = {}
        self._first, self._stop = 0, 0
        self._chosen = np.zeros(len(self._ids), np.bool_)
        self._numbers = np.zeros(0, np.int64)
        """Flows of those packets that have a payload, or begin or end a connection."""
        self._of_packets: list[int] = []
        self._from_source: list[bool] = []

    def of(self, number: int) -> PayloadContext | None:
        """Context of the payload of a packet, by its number within the capture; None: no flow of TCP or UDP."""
        if not self._first <= number < self._stop:
            self._read(number)
        at = number - self._first
        flow_id = self._of_packets[at]
        if not flow_id:
            return None
        flow = self._flows.get(flow_id) or self._new(flow_id)
        if flow is None:
            return None
        self.flow_id = flow_id
        return flow.client if self._from_source[at] else flow.server

    flow_id: int = 0
    """Flow of the packet that `of` was asked for last."""

    def choose(self, is_wanted: Callable[[PayloadContext], bool]) -> bool:
        """Choose TCP connections for `chosen`; returns whether there are any."""
        for at in np.flatnonzero(self._is_tcp).tolist():
            ports = int(self._source_ports[at]), int(self._destination_ports[at])
            context = PayloadContext(
                self._redactor, self._addresses, str(self._apps[at]), "tcp", *ports, from_client=True
            )
            self._chosen[at] = is_wanted(context)
        return bool(self._chosen.any())

    def chosen(self, first: int, count: int) -> list[int]:
        """Which of the packets from a number on are of chosen connections, counted from 0."""
        indexes: list[int] = []
        ids = self._ids[self._chosen]
        done = 0
        while done < count:
            if not self._first <= first + done < self._stop:
                self._read(first + done)
            at = first + done - self._first
            flows = self._numbers[at : at + count - done]
            indexes += (np.flatnonzero(np.isin(flows, ids)) + done).tolist()
            done += len(flows)
        return indexes

    def _read(self, number: int) -> None:
        first = number - number % PACKETS
        given = {"capture": self._capture, "first": first, "last": first + PACKETS - 1}
        columns = self._session.arrays(_PACKETS, given)
        places = columns["number"] - first
        flows, sides = np.zeros(PACKETS, np.int64), np.zeros(PACKETS, np.bool_)
        known = np.isin(columns["flow_id"], self._ids)
        flows[places] = np.where(known, columns["flow_id"], 0)
        sides[places] = columns["from_src"]
        self._first, self._stop = first, first + PACKETS
        self._numbers = np.zeros(PACKETS, np.int64)
        self._numbers[places] = np.where(known & columns["counts"], columns["flow_id"], 0)
        self._of_packets, self._from_source = flows.tolist(), sides.tolist()

    def _new(self, flow_id: int) -> Flow | None:
        at = int(np.searchsorted(self._ids, flow_id))
        if at >= len(self._ids) or self._ids[at] != flow_id:
            return None
        if len(self._flows) >= MOST_FLOWS:
            del self._flows[next(iter(self._flows))]
        ports = int(self._source_ports[at]), int(self._destination_ports[at])
        app, protocol = str(self._apps[at]), "tcp" if self._is_tcp[at] else "udp"
        memory: dict[str, object] = {}
        client, server = (
            PayloadContext(
                self._redactor, self._addresses, app, protocol, here, there, from_client=from_client, memory=memory
            )
            for here, there, from_client in ((*ports, True), (*ports[::-1], False))
        )
        flow = self._flows[flow_id] = Flow(flow_id, client, server)
        return flow
