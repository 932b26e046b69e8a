"""The lines of a recording: put together, held back for a hash, and written."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import IO

from rustnet.probe.hashes import Hashes
from rustnet.probe.lines import Keys, counter_keys, moment, rfc3339
from rustnet.probe.netlink import attributes
from rustnet.probe.sockets import Entry, Holding

HELD_BACK = 16384
"""Lines that may wait for the hash of an executable."""
OTHER_NAMESPACE = "-other-namespace"
"""End of the quality of owners in other network namespaces than the recorder's."""
ALWAYS_WRITTEN = {"pid", "process_name"}
NOWHERE = {"protocol": "META", "local_addr": "0.0.0.0:0", "remote_addr": "0.0.0.0:0"}


class LineWriter:
    """Writes a line for each process that holds a socket, and lines about the recording itself."""

    def __init__(self, out: IO[str], origin: Keys, hashes: Hashes | None, count: Counter[str]) -> None:
        self.out, self.origin, self.hashes, self.count = out, origin, hashes, count
        self.held_back: list[tuple[Entry, Holding, int]] = []
        """Lines that wait for the hash of an executable."""

    def connection(self, entry: Entry, held: Holding, owners: int) -> None:
        """Write a line, or let it wait until the hash of its executable is known."""
        if self.hashes and self.hashes.queue and "exe_sha256" not in held.process and owners:
            self.held_back.append((entry, held, owners))
            if len(self.held_back) > HELD_BACK:
                self.release(unhashed=True)
            return
        self._connection(entry, held, owners)

    def _connection(self, entry: Entry, held: Holding, owners: int) -> None:
        keys: Keys = {
            **self.origin,
            "bytes_received": 0,
            "bytes_sent": 0,
            "bytes_source": "none",
            "first_seen": moment(held.first),
            "last_seen": moment(max(held.first, held.last)),
            "observed_by": entry.seen_by,
            "socket_inode": entry.inode or None,
            "socket_owners": owners,
            "timestamp": rfc3339(time.time_ns()),
            **entry.keys,
            **held.process,
            **counter_keys(attributes(entry.attributes)),
        }
        if held.released:
            keys["released_before"] = moment(held.released)
        if owners:
            keys["attribution_match"] = quality(held.match or entry.match, elsewhere="network_namespace" in entry.keys)
            keys.pop("unowned_because", None)
        self._put(keys)
        self.count["lines"] += 1

    def release(self, unhashed: bool = False) -> None:
        """Write the lines that waited for a hash which is there now; those that still have none only if asked to."""
        waiting, self.held_back = self.held_back, []
        write = self._connection if unhashed else self.connection
        for entry, held, owners in waiting:
            write(entry, held, owners)

    def recording(self, record: str, since: int, until: int, facts: Keys) -> None:
        """Write a line about the recording itself, which no reader takes for a connection."""
        keys: Keys = {**self.origin, **NOWHERE, "state": record, "record": record}
        keys.update(bytes_received=0, bytes_sent=0, pid=None, process_name=None)
        keys.update(first_seen=moment(since), last_seen=moment(until), timestamp=rfc3339(until))
        self._put({**keys, **facts})

    def _put(self, keys: Keys) -> None:
        kept = {key: keys[key] for key in sorted(keys) if keys[key] is not None or key in ALWAYS_WRITTEN}
        self.out.write(json.dumps(kept, separators=(",", ":")) + "\n")


def quality(match: str, elsewhere: bool) -> str:
    """How certain an owner is; ends of a socket ``elsewhere``, in another namespace, may be those of one here."""
    return match + OTHER_NAMESPACE if elsewhere and not match.endswith(OTHER_NAMESPACE) else match
