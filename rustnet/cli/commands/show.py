"""``rustnet show``: shows one flow in detail, or the full protocol tree of one packet."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rustnet.cli.main import terminal
from rustnet.cli.options import common, in_english, opened, session_argument
from rustnet.cli.outputs import check_streams
from rustnet.cli.redaction_options import redaction_options
from rustnet.cli.terminal import notify
from rustnet.errors import InputError, RustnetError, UsageError
from rustnet.i18n import _, ngettext

if TYPE_CHECKING:
    from rustnet.inspect import Node
    from rustnet.query.detail import StoredPacket
    from rustnet.query.session import Session


@click.command(
    help=_(
        "Show one flow, given by its number or community id: its fields, its messages in time order, the claims about "
        "its owner, and its first packets.\n\nWith --packet, show one packet of the flow's capture in full, as "
        "decoded by scapy or tshark in a sandboxed process. This needs the original capture."
    )
)
@session_argument
@click.argument("flow")
@click.option(
    "--packets", default=10, show_default=True, type=click.IntRange(0), help=_("List at most this many packets.")
)
@click.option(
    "--messages", default=100, show_default=True, type=click.IntRange(0), help=_("List at most this many messages.")
)
@click.option("--packet", type=click.IntRange(1), metavar="N", help=_("Show the full protocol tree of packet N."))
@click.option("--with", "tool", type=click.Choice(["scapy", "tshark"]), default="scapy", show_default=True,
              help=_("Tool that decodes the packet."))  # fmt: skip
@click.option("--source", metavar="FILE", help=_("Current path of the original capture."))
@click.option("--json", "as_json", is_flag=True, callback=in_english, help=_("Print JSON."))
@redaction_options
@common
def command(
    session: str,
    flow: str,
    packets: int,
    messages: int,
    packet: int | None,
    tool: str,
    source: str | None,
    as_json: bool,
) -> None:
    """Show a flow or a packet."""
    from rustnet.query import detail  # noqa: PLC0415 -- DuckDB

    check_streams(session, *([source] if source else []))
    with opened(session) as reader:
        if packet is not None and reader.originals() is not reader:
            raise UsageError("--packet shows the bytes of a packet, which --redact cannot replace")
        numbers = detail.find_flows(reader, flow)
        if len(numbers) > 1:
            others = ", ".join(map(str, numbers[1:20])) + (" …" if len(numbers) > 20 else "")
            notify(_("{flow} matches {n} flows; showing {first}, the others are {others}").format(
                flow=flow, n=len(numbers), first=numbers[0], others=others))  # fmt: skip
        flow_detail = detail.flow_detail(reader, numbers[0], messages, packets)
        partial = reader.partial_captures()
        if packet is not None:
            stored = detail.stored_packet(reader, flow_detail.flow["capture_id"], packet)
            path = _original(reader, stored, session, source)
    if packet is None:
        from rustnet.cli.flow_page import FlowPage  # noqa: PLC0415

        if as_json:
            import dataclasses  # noqa: PLC0415

            from rustnet.export.flow import flow_data  # noqa: PLC0415

            _print_json(flow_data(flow_detail) | {"partial": [dataclasses.asdict(each) for each in partial]})
        else:
            sys.stdout.write("\n".join(FlowPage(flow_detail, terminal()).build()) + "\n")
        return
    if stored.flow_id != numbers[0]:
        owner = _("no flow") if stored.flow_id is None else _("flow {n}").format(n=stored.flow_id)
        notify(_("packet {n} belongs to {owner}").format(n=packet, owner=owner))
    tree = _tree(stored, path, tool)
    if as_json:
        import dataclasses  # noqa: PLC0415

        _print_json({"packet": dataclasses.asdict(stored), "layers": [dataclasses.asdict(node) for node in tree]})
    else:
        _print_tree(stored, tree)


def _original(reader: "Session", packet: "StoredPacket", session: str, source: str | None) -> Path:
    from rustnet.export.originals import locate  # noqa: PLC0415
    from rustnet.query.selection import originals  # noqa: PLC0415

    capture = originals(reader, [packet.capture_id])[0].files[packet.file]
    original = locate(capture, Path(session), [source] if source else [])
    if original.path is None:
        raise InputError(original.problem)
    if capture.sha256 and capture.bytes not in (None, original.path.stat().st_size):
        raise InputError("{path}: its size differs from that of the ingested capture", path=original.path)
    return original.path


def _tree(packet: "StoredPacket", path: Path, tool: str) -> "list[Node]":
    """Read the packet's bytes from its capture and decode them."""
    from rustnet.export.frame import packet_bytes  # noqa: PLC0415
    from rustnet.inspect import inspect_packet  # noqa: PLC0415

    if packet.link_type is None:
        raise RustnetError("the link type of packet {n} is not known", n=packet.number)
    return inspect_packet(packet_bytes(path, packet), packet.link_type, packet.length, tool=tool, ts=packet.ts)


def _print_json(data: object) -> None:
    from rustnet.export.formats import dumps  # noqa: PLC0415

    sys.stdout.write(dumps(data) + "\n")


def _print_tree(packet: "StoredPacket", tree: "list[Node]") -> None:
    from rustnet.export.frame import link_type  # noqa: PLC0415
    from rustnet.present.text import cut, printable  # noqa: PLC0415
    from rustnet.present.values import moment  # noqa: PLC0415

    screen = terminal()
    size = ngettext("{n} byte", "{n} bytes", packet.length).format(n=f"{packet.length:,}")
    if packet.captured != packet.length:
        size = _("{size}, {n} captured").format(size=size, n=f"{packet.captured:,}")
    head = _("packet {n}").format(n=f"{packet.number:,}")
    lines = [screen.bold(head) + f"  {moment(packet.ts)}  {size}  {link_type(packet)}"]
    stack: list[tuple[int, Node]] = [(0, node) for node in reversed(tree)]
    while stack:
        depth, node = stack.pop()
        name = printable(node.name)
        line = f"{'  ' * depth}{name}" + (f": {printable(node.value)}" if node.value else "")
        line = cut(line, screen.width) if screen.tty else line
        lines.append(screen.bold(line) if depth == 0 else line)
        stack += [(depth + 1, child) for child in reversed(node.children)]
    sys.stdout.write("\n".join(lines) + "\n")
