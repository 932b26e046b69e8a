"""What a probe does of a live run, with psutil, in threads of the process that captures: on systems other than Linux.

Not tested on macOS, Windows and BSD.
"""

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

from rustnet.cli.psutil_machine import PsutilMachine
from rustnet.cli.psutil_sources import psutil_sources
from rustnet.probe.live import Request, recording_options
from rustnet.probe.machine import MachineCompanion
from rustnet.probe.recorder import Recorder

Keys = dict[str, Any]
CLOSING_SECONDS = 5.0
"""Seconds that the last lines may take."""


class PsutilProbe:
    """Records who holds which socket, and what the machine is, until `close`."""

    def __init__(self, connections: Callable[[list[bytes]], None], records: Callable[[Keys], None]) -> None:
        self._connections, self._records = connections, records
        options = recording_options(Request(()))
        self._sources = psutil_sources(options)
        recorder = Recorder(options, self, self._sources)  # type: ignore[arg-type]  # it writes whole lines
        machine = MachineCompanion(None, make=lambda: PsutilMachine(None, options))
        self._stops = []
        self._threads = []
        for work in (recorder.run, lambda stop: machine.run(stop, records)):
            stop, wake = socket.socketpair()
            thread = threading.Thread(target=work, args=(stop,), daemon=True)
            thread.start()
            self._stops.append(wake)
            self._threads.append(thread)

    def write(self, text: str) -> int:
        """Take one line of the recorder."""
        line = text.encode()
        values = json.loads(line)
        if "record" in values:
            self._records(values)
        self._connections([line])
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Let the last lines come, and end."""
        for wake in self._stops:
            wake.close()
        for thread in self._threads:
            thread.join(CLOSING_SECONDS)
        self._sources.close()
