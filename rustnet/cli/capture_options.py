"""Options of what a live run captures, and how."""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from rustnet.i18n import _
from rustnet.probe.helper import SOCKET

if TYPE_CHECKING:
    from rustnet.ingest.live_open import LiveOptions

_F = TypeVar("_F", bound=Callable[..., Any])

LEAST_RING, MOST_RING = 1, 1024
"""Size of a ring in MiB."""


@dataclass(frozen=True, slots=True)
class Capturing:
    """What is captured, and how, as the options say; the fields are their names."""

    interfaces: tuple[str, ...]
    expression: str
    snaplen: int
    promiscuous: bool
    ring: int
    """MiB."""
    libpcap: bool
    attribution: Literal["auto", "sock_diag", "none"]
    full_cmdline: bool
    helper: str

    @property
    def by_libpcap(self) -> bool:
        """Whether libpcap captures, in one process."""
        return self.libpcap or sys.platform != "linux"

    def options(self, **more: Any) -> "LiveOptions":
        """Options of the run, with ``more`` of them."""
        from rustnet.ingest.live_open import LiveOptions  # noqa: PLC0415 -- the whole engine

        return LiveOptions(
            self.interfaces,
            self.expression,
            self.snaplen,
            self.ring << 20,
            self.promiscuous,
            self.attribution,
            self.full_cmdline,
            libpcap=self.by_libpcap,
            helper=self.helper,
            **more,
        )


def capture_options(command: _F) -> _F:
    """Add the options; the command gets them as ``capturing``."""

    @functools.wraps(command)
    def with_capturing(*arguments: Any, **options: Any) -> Any:
        own = {field.name: options.pop(field.name) for field in fields(Capturing)}
        return command(*arguments, capturing=Capturing(**own), **options)

    wrapped: Any = with_capturing
    for option in reversed((
        click.option("-i", "--interface", "interfaces", multiple=True, metavar="NAME",
    help=_("Interface to capture from; several are possible; any: all.  [default: that of the default route]"),
),
        click.option("-f", "--filter", "expression", default="", metavar="BPF",
              help=_("Store only packets that match this expression, in the language of tcpdump.")),
        click.option("--snaplen", type=click.IntRange(0, 262_144), default=0, metavar="N",
    help=_("Store at most N bytes of each packet; 0: whole packets.  [default: 0]"),
),
        click.option("--promiscuous", is_flag=True, help=_("Capture also packets that are for other machines.")),
        click.option("--ring", type=click.IntRange(LEAST_RING, MOST_RING), default=64, show_default=True, metavar="MIB",
    help=_("Size of the memory that holds packets of each interface until they are read."),
),
        click.option("--libpcap", is_flag=True,
    help=_("Capture with libpcap in one process, as on systems other than Linux; needs cypcap."),
),
        click.option("--attribution", type=click.Choice(["auto", "sock_diag", "none"]), default="auto",
                     show_default=True, help=_("How to learn which process owns which flow; auto: by eBPF, else by sock_diag."),
),
        click.option("--full-cmdline", is_flag=True, help=_("Do not hide what looks like a secret in command lines.")),
        click.option("--duration", type=click.FloatRange(0, min_open=True), metavar="N",
                     help=_("Stop after N seconds.")),
        click.option("--packets", type=click.IntRange(1), metavar="N", help=_("Stop after N packets.")),
        click.option("--helper", metavar="SOCKET", default=SOCKET, show_default=True,
    help=_("Without the privilege to capture, let this helper open the capture sockets (see rustnet helper)."),
),
    )):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]
