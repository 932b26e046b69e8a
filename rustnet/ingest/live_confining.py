"""What confines the processes of a live run: which user they are, and what they take from themselves."""

import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rustnet.sandbox import UNAVAILABLE, Layer, unconfined
from rustnet.sandbox.live import confine_probe, confine_writer, drop_privileges
from rustnet.sandbox.users import User, chosen_user

WRITER, PROBE = "writer", "probe"
"""Names of processes in the table ``confinement``."""
MOST_BYTES = 1 << 16
"""Bytes in which the probe states its layers."""


@dataclass(slots=True)
class Confining:
    """Confines the processes of one live run, as far as its options want it.

    In this order: `probe` in the probe, `drop` in the command once the rings are open, and `writer` in the process that
    holds the session, once the process that parses has been started.
    """

    sandbox: Literal["on", "off", "strict"] = "on"
    drop_user: bool = True
    drop_to: str | None = None
    """Name or number of the user; None: who called the program."""
    groups: tuple[int, ...] = ()
    """Further groups that are kept."""
    user: User | None = None
    dropped: list[Layer] = field(default_factory=list)
    layers: dict[str, list[Layer]] = field(default_factory=dict)
    """Those of each process, by its name."""

    def __post_init__(self) -> None:
        self.user = chosen_user(self.drop_to)

    def start(self, start: "Callable[[Callable[[], list[dict[str, Any]]]], Any]") -> Any:
        """Start a probe by a function that calls its argument in it, and learn what confines it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def confine() -> list[dict[str, Any]]:
            ours.close()
            layers = confine_probe(sandbox=self.sandbox != "off")
            theirs.send(json.dumps([[layer.name, layer.state, layer.detail] for layer in layers]).encode())
            theirs.close()
            return []

        with ours:
            with theirs:
                started = start(confine)
            text = ours.recv(MOST_BYTES)
        stated = [Layer(*map(str, layer)) for layer in json.loads(text)] if text else []
        self.layers[PROBE] = stated or unconfined(UNAVAILABLE, "the process ended")
        return started

    def drop(self) -> None:
        """Give up the privileges of this process. Raises `RustnetError`."""
        self.dropped = drop_privileges(
            self.user, groups=self.groups, drop_user=self.drop_user, sandbox=self.sandbox != "off"
        )

    def writer(self, outputs: Sequence[str], readable: Sequence[str] = (), scratch: str | None = None) -> None:
        """Confine this process, which may write beside ``outputs`` from here on. Raises `RustnetError`."""
        self.layers[WRITER] = confine_writer(
            outputs, self.dropped, readable=readable, scratch=scratch, sandbox=self.sandbox != "off"
        )
