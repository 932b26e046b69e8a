"""What processes take from themselves before they meet hostile bytes (Linux).

`confine` is for a process that parses: it applies every layer that the system has, and returns what is in force. It
needs no other package, and no privilege; a process that has some loses all of them. `rustnet.sandbox.live` has the
same for the other processes of a live capture.
"""

from rustnet.sandbox.confinement import (
    IN_FORCE,
    LAYERS,
    NOT_NEEDED,
    OFF,
    PARTIAL,
    STATES,
    UNAVAILABLE,
    Layer,
    close_descriptors,
    confine,
    empty_standard_streams,
    ended_by_filter,
    lacking,
    restrict_worker,
    try_out,
    unconfined,
)

__all__ = [
    "IN_FORCE",
    "LAYERS",
    "NOT_NEEDED",
    "OFF",
    "PARTIAL",
    "STATES",
    "UNAVAILABLE",
    "Layer",
    "close_descriptors",
    "confine",
    "empty_standard_streams",
    "ended_by_filter",
    "lacking",
    "restrict_worker",
    "try_out",
    "unconfined",
]
