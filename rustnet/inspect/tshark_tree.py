"""Protocol tree of a packet by tshark, from its PDML."""

import io
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from rustnet import isolation
from rustnet.export.pcapng import PcapngWriter
from rustnet.sources.frames import Interface

_SECONDS = 15
_MAX_VALUE = 400
_MAX_OUTPUT = 16 << 20
_HIDDEN = ("geninfo",)

Tree = list[object]
"""Name, value, child nodes, and for a node whose bytes are known: offset in the packet and size."""


def program() -> str | None:
    """Path of tshark, if it is installed."""
    return isolation.find_program("tshark")


def answer(tshark: str, data: bytes, link_type: int, length: int, ts: int) -> dict[str, object]:
    """Tree of a packet of ``link_type``, or an error as key and fields."""
    capture = io.BytesIO()
    writer = PcapngWriter(capture)
    writer.section(application="rustnet")
    writer.write(0, Interface(link_type), ts, data, length)
    with tempfile.TemporaryDirectory(prefix="rustnet.inspect.") as home:
        file = Path(home) / "packet.pcapng"
        file.write_bytes(capture.getvalue())
        # -n: no name resolution; an empty home directory: no configuration or scripts of the user.
        command = [tshark, "-n", "-T", "pdml", "-r", str(file)]
        environment = isolation.environment(HOME=home, WIRESHARK_CONFIG_DIR=home, LC_ALL="C.UTF-8")
        try:
            done = subprocess.run(  # noqa: S603 -- a fixed program, no shell
                command, capture_output=True, timeout=_SECONDS, check=False, env=environment, cwd=home,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"error": ("timeout", {"seconds": _SECONDS})}
    try:
        root = ET.fromstring(done.stdout[:_MAX_OUTPUT])  # noqa: S314 -- tshark escapes what packets hold; no DTD
    except ET.ParseError:
        messages = done.stderr.decode("utf-8", "replace").strip().splitlines()
        if not messages:
            return {"error": ("exit_code", {"code": done.returncode})}
        return {"error": ("message", {"message": messages[-1]})}
    packet = root.find("packet")
    if packet is None:
        return {"error": ("no_packet", {})}
    return {"layers": [_node(p, data) for p in packet if p.get("name") not in _HIDDEN]}


def _place(element: ET.Element, data: bytes, children: list[Tree]) -> Tree:
    """Offset and size of an element, if its bytes there are those of the packet, not of a buffer made of them."""
    try:
        start, size = int(element.get("pos", "-1")), int(element.get("size", "0"))
    except ValueError:
        return []
    if start < 0 or size <= 0 or start + size > len(data):
        return []
    value = element.get("value")
    if value is None:
        known = any(len(c) > 4 and start <= c[3] <= start + size for c in children)  # type: ignore[operator]
    else:
        known = data[start : start + size].hex() == value.lower()
    return [start, size] if known else []


def _node(element: ET.Element, data: bytes) -> Tree:
    """Node of one PDML element, with the text that Wireshark shows."""
    text = element.get("showname") or element.get("show") or element.get("value") or ""
    name, _, value = text.partition(": ")
    if element.tag != "proto" and not element.get("showname"):
        own = element.get("name") or ""
        name, value = (own, text) if own else (text, "")
    if len(value) > _MAX_VALUE:
        value = f"{value[:_MAX_VALUE]}… ({len(value)} characters)"
    children = [_node(child, data) for child in element if child.get("hide") != "yes"]
    return [name, value, children, *_place(element, data, children)]
