"""The worker: reads a line of JSON and packet bytes on stdin, writes a tree (or a file's protocols) as JSON."""

import importlib.util
import json
import sys

from rustnet.inspect import limits


def main() -> None:
    """Answer one request."""
    head, _, data = sys.stdin.buffer.read().partition(b"\n")
    request = json.loads(head)
    if request["tool"] == "pyshark":
        answer = _protocols(request["file"], request["seconds"])
    else:
        answer = _answer(request["tool"], data, request["link_type"], request["length"], request["ts"])
    sys.stdout.write(json.dumps(answer))


def _answer(tool: str, data: bytes, link_type: int, length: int, ts: int) -> dict[str, object]:
    if tool == "scapy":
        if importlib.util.find_spec("scapy") is None:
            return {"error": ("no_scapy", {})}
        limits.confine()
        from rustnet.inspect import scapy_tree  # noqa: PLC0415 -- GPL, and only in this process

        limits.install_audit_hook()
        return scapy_tree.answer(data, link_type)
    from rustnet.inspect import tshark_tree  # noqa: PLC0415

    program = tshark_tree.program()
    if program is None:
        return {"error": ("no_tshark", {})}
    limits.confine()
    return tshark_tree.answer(program, data, link_type, length, ts)


def _protocols(file: str, seconds: float) -> dict[str, object]:
    """Protocols of each frame of a file."""
    from rustnet.inspect import tshark_tree  # noqa: PLC0415

    program = tshark_tree.program()
    if program is None or importlib.util.find_spec("pyshark") is None:
        return {"error": ("no_tshark" if program is None else "no_pyshark", {})}
    limits.confine(seconds=int(seconds) + 1, memory=2 * limits.MEMORY)
    from rustnet.inspect import pyshark_protocols  # noqa: PLC0415 -- only in this process

    return pyshark_protocols.answer(program, file, seconds)


if __name__ == "__main__":
    main()
