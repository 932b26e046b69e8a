"""What confines the processes of a live run: which user they are, and what they take from themselves."""

import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from rustnet.i18n import _
from rustnet.ingest.confining import require_all, rows
from rustnet.ingest.report import Report
from rustnet.sandbox import PARTIAL, UNAVAILABLE, Layer, lacking, unconfined
from rustnet.sandbox.live import ROOT_STAYS, confine_probe, confine_writer, drop_privileges
from rustnet.sandbox.privileges import clear_capabilities
from rustnet.sandbox.users import User, chosen_user
from rustnet.store.tables import Confinement

Sandbox = Literal["on", "off", "strict"]
Started = TypeVar("Started")

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

    sandbox: Sandbox = "on"
    drop_user: bool = True
    drop_to: str | None = None
    """Name or number of the user; None: who called the program."""
    groups: tuple[int, ...] = ()
    """Further groups that are kept."""
    scratch: str | None = None
    """Directory of a temporary session, which the process that holds it removes."""
    user: User | None = None
    dropped: list[Layer] = field(default_factory=list)
    layers: dict[str, list[Layer]] = field(default_factory=dict)
    """Those of each process, by its name."""

    def __post_init__(self) -> None:
        self.user = chosen_user(self.drop_to)

    def start(self, start: Callable[[Callable[[], None]], Started]) -> Started:
        """Start a probe by a function that calls its argument in it, and learn what confines it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def confine() -> None:
            ours.close()
            layers = confine_probe(sandbox=self.sandbox != "off")
            theirs.send(json.dumps([[layer.name, layer.state, layer.detail] for layer in layers]).encode())
            theirs.close()

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

    def release(self) -> None:
        """Give up here what a process that starts parsers has to keep."""
        if any(layer.state == PARTIAL for layer in self.dropped if layer.name == "capabilities"):
            clear_capabilities()

    def writer(self, outputs: Sequence[str], readable: Sequence[str]) -> None:
        """Confine this process: it writes in the directories of ``outputs`` only. Raises `RustnetError`."""
        layers = self.layers[WRITER] = confine_writer(
            outputs, self.dropped, readable=readable, scratch=self.scratch, sandbox=self.sandbox != "off"
        )
        if self.sandbox == "strict":
            require_all([*layers, *lacking(self.layers.get(PROBE, []))])

    def rows(self, capture_id: int) -> list[Confinement]:
        """Rows of a capture about these processes."""
        return [row for name, layers in self.layers.items() for row in rows(capture_id, layers, name)]

    def note(self, report: Report) -> None:
        """Add sentences to the report about what is wanting, and if root was kept although nobody asked for that."""
        for process, layers in self.layers.items():
            missing = lacking(layers)
            if missing:
                template = _("the sandbox of the process {process} lacks {layers} ({reason}); rustnet doctor has more")
                names = ", ".join(layer.name for layer in missing)
                report.notes.append(template.format(process=process, layers=names, reason=missing[0].detail))
        if self.scratch is None and any(layer.detail == ROOT_STAYS for layer in self.layers.get(WRITER, [])):
            report.notes.append(
                _("the session belongs to root, as rustnet was not started with sudo; --drop-to names another user")
            )
