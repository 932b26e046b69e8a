"""`ProbeChannel`: takes what the probe of a live run sends: lines about sockets and the machine, and rings.

The probe is part of rustnet, but it reads what other programs write (names, command lines), so its lines are checked
like those of a file.
"""

import contextlib
import json
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

from rustnet.probe.live import OpenError, Probe, receive_ring
from rustnet.probe.ring_socket import RingInterface

MAX_LINE = 1 << 16
"""Bytes of a line at most; longer ones are counted and dropped."""
RECEIVE_BYTES = 1 << 18
WAIT = 0.2
"""Seconds between two looks at whether the channel was closed."""

Line = dict[str, Any]


class ProbeChannel:
    """Receives from a probe until it ends or `close` is called.

    ``connections`` gets lines of connections as they came, ``records`` those that ``record`` names, ``ring`` a ring of
    an interface that has appeared, which it takes over; ``ended`` is called if the probe ends before `close`; all on
    the channel's thread.
    """

    def __init__(
        self,
        probe: Probe,
        connections: Callable[[list[bytes]], None],
        records: Callable[[Line], None],
        ring: Callable[[int, RingInterface], None],
        ended: Callable[[], None],
    ) -> None:
        self.probe = probe
        self.invalid = 0
        """Lines that were not JSON objects, or too long."""
        self.ended = False
        """The probe has ended, or closed the channel."""
        self._connections, self._records, self._ring, self._ended = connections, records, ring, ended
        self._rest = b""
        self._skipping = False
        """The rest of a line that is too long comes."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._receive, name="rustnet-probe", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let the probe end; takes the lines that it still sends."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self.probe.control.shutdown(socket.SHUT_WR)
        self._thread.join()
        self.probe.close()

    def _receive(self) -> None:
        poll = select.poll()
        poll.register(self.probe.lines, select.POLLIN)
        poll.register(self.probe.control, select.POLLIN)
        lines, control = self.probe.lines.fileno(), self.probe.control.fileno()
        while not self.ended:
            ready = dict(poll.poll(int(WAIT * 1000)))
            if control in ready and not self._take_ring():
                poll.unregister(control)
            if lines in ready:
                self._take_lines()
        if not self._closing.is_set():
            self._ended()

    def _take_ring(self) -> bool:
        """Take a ring; returns False at the end."""
        try:
            descriptor, interface = receive_ring(self.probe.control)
        except OpenError:
            return True
        except (EOFError, OSError, ValueError, TypeError):
            return False
        self._ring(descriptor, interface)
        return True

    def _take_lines(self) -> None:
        try:
            data = self.probe.lines.recv(RECEIVE_BYTES)
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return
        *lines, rest = (self._rest + data).split(b"\n")
        if self._skipping and lines:
            del lines[0]
            self._skipping = False
        if len(rest) > MAX_LINE:
            self.invalid += not self._skipping
            self._skipping, rest = True, b""
        self._rest = b"" if self._skipping else rest
        connections: list[bytes] = []
        for line in lines:
            self._sort(line, connections)
        if connections:
            self._connections(connections)

    def _sort(self, line: bytes, connections: list[bytes]) -> None:
        """Pass a line on, or put it with the connections."""
        if len(line) > MAX_LINE:
            self.invalid += 1
            return
        if b'"record":' not in line:
            connections.append(line)
            return
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            self.invalid += 1
            return
        if not isinstance(values, dict) or not isinstance(values.get("record"), str):
            connections.append(line)  # a connection whose text contains that word
            return
        if values.get("protocol") == "META":  # about the recording: as in a sidecar
            connections.append(line)
        self._records(values)
