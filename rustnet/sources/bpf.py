"""Capture filters: an expression in the language of `pcap-filter(7)` becomes a program that the kernel runs.

The compiler is libpcap's, by the package cypcap (``pip install 'rustnet[live]'``); whatever is wrong is a
`UsageError`, which says where.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rustnet.errors import Phrase, RustnetError, UsageError
from rustnet.probe.ring_socket import COOKED, COOKED_BYTES, ETHERNET, RAW, Program, link_type

SNAPLEN = 1 << 18
"""Bytes that a program keeps of a packet that it accepts, as tcpdump's does."""
NETMASK_UNKNOWN = 0xFFFFFFFF
DLT_RAW = 12
"""libpcap's own number of LINKTYPE_RAW on Linux."""
USUAL_LINKS = (ETHERNET, RAW, COOKED)
"""Link types for which filters are compiled although no interface has them: one may appear."""
LOADS, MODE, FROM_PACKET = (0x00, 0x01), 0xE0, (0x20, 0x40, 0xA0)
"""Classes of BPF instructions that load (LD, LDX), mask of the mode, and modes that read packets (ABS, IND, MSH)."""
EXTENSIONS = -0x1000 & 0xFFFFFFFF
"""Offset from which on the kernel gives what it knows of a packet (``SKF_AD_OFF``)."""
COOKED_FIELDS = {0: 0, 4: 8, 8: 28, 10: 4}
"""By offset in the header of `COOKED`, where that is from `EXTENSIONS` on: protocol, interface, hardware, direction."""
MAX_EXPRESSION = 65_536
"""Characters of an expression."""
SHOWN = 40
"""Characters of an expression that a message shows."""
MAX_LOCATED = 200
"""Words of an expression within which the wrong one is looked for."""

TAGS = re.compile(r"(?<![\w.:])vlan(?![\w.:])")
"""Word that compares tags within the frame, which the kernel has taken out when a capture filter runs."""
WORD = re.compile(r"&&|\|\||[<>=!]=|[()\[\]!<>=]|[^\s()\[\]!<>=&|]+|\S")
ENDINGS = (
    "", " 1", " 1.1.1.1", " ::1", " 1:1:1:1:1:1", " host 1.1.1.1", " port 1", " tcp", " = 1", " 1 = 1", "] = 1",
    " 1] = 1", " net 1", " 1-2", " \\tcp", " \\ip",
)  # fmt: skip
"""Texts one of which makes a sentence of the beginning of one, but for parentheses."""


def compile_filters(expression: str, interfaces: Mapping[str, int], partly: bool = False) -> dict[int, Program]:
    """Compile an expression for the link types of ``interfaces`` (name and type of hardware), and for `USUAL_LINKS`.

    Usual ones for which it makes no sense are left out; raises `UsageError` for others, with ``partly`` only if it
    makes sense for none. Without an expression there are no programs.
    """
    if not expression.strip():
        return {}
    links = {link_type(hardware): name for name, hardware in interfaces.items()}
    programs: dict[int, Program] = {}
    wrong: UsageError | None = None
    for link in dict.fromkeys((*links, *USUAL_LINKS)):
        try:
            programs[link] = compile_filter(expression, link, links.get(link))
        except UsageError as error:
            if link in links and not partly:
                raise
            wrong = wrong or error
    if wrong is not None and not programs.keys() & links.keys():
        raise wrong
    return programs


def compile_filter(expression: str, link: int, interface: str | None = None) -> Program:
    """Compile an expression for packets of a link type; raises `UsageError`, or `RustnetError` without cypcap.

    Comparisons of VLAN tags need the ``interface``, and the privilege to capture on it: there the tags are not in the
    frame but beside it.
    """
    try:
        import cypcap  # noqa: PLC0415 - an optional package
    except ImportError:
        raise RustnetError("a capture filter needs cypcap: pip install 'rustnet[live]'") from None
    if not expression.strip():
        return ()
    if len(expression) > MAX_EXPRESSION or "\0" in expression:
        raise UsageError("the capture filter is too long, or contains a zero")
    tags = TAGS.search(expression)
    if tags and (interface is None or link == COOKED):
        raise _wrong(expression, tags.start(), Phrase("VLAN tags cannot be compared here"))
    kind = DLT_RAW if link == RAW else link  # by number: cypcap does not name them all
    handle: Any = None

    def compiled(text: str) -> Program:
        if handle is not None:
            return tuple(handle.compile(text, True, NETMASK_UNKNOWN))
        return tuple(cypcap.compile(kind, SNAPLEN, text, True, NETMASK_UNKNOWN))

    try:
        if tags:
            handle = cypcap.create(interface)
            handle.set_snaplen(SNAPLEN)
            handle.activate()
        program = compiled(expression)
        return _without_header(program) if link == COOKED else program
    except cypcap.Error as error:
        message = str(error.args[-1]).removeprefix("can't parse filter expression: ")
        raise _wrong(expression, _place(expression, message, compiled, cypcap.Error), message) from None
    finally:
        if handle is not None:
            handle.close()


def _without_header(program: Program) -> Program:
    """Make a program for packets with the header of `COOKED` one for packets as the kernel shows them, without it."""
    return tuple(
        (code, true, false, _offset(value) if code & 7 in LOADS and code & MODE in FROM_PACKET else value)
        for code, true, false, value in program
    )


def _offset(value: int) -> int:
    """Offset of a field of a packet; raises `UsageError`."""
    if value >= EXTENSIONS:
        return value
    if value >= COOKED_BYTES:
        return value - COOKED_BYTES
    if value not in COOKED_FIELDS:
        raise UsageError("the capture filter compares a part of the frame that this interface does not have")
    return EXTENSIONS + COOKED_FIELDS[value]


def _wrong(expression: str, at: int, reason: str | Phrase) -> UsageError:
    """What is wrong with an expression, and where."""
    if at >= len(expression.rstrip()):
        if "syntax error" not in str(reason):
            return UsageError(
                "the capture filter “{filter}” cannot be used: {reason}", filter=expression, reason=reason
            )
        return UsageError("the capture filter “{filter}” is not complete: {reason}", filter=expression, reason=reason)
    return UsageError(
        "the capture filter is wrong in column {column}, at “{rest}”: {reason}",
        column=at + 1,
        rest=expression[at : at + SHOWN],
        reason=reason,
    )


def _place(expression: str, message: str, compiled: Callable[[str], Program], error: type[Exception]) -> int:
    """Where the expression is wrong: at what the message quotes, else at the first word that nothing can follow."""
    for quoted in re.findall(r"'([^']+)'|\b(\d+)\b", message):
        at = expression.find(quoted[0] or quoted[1])
        if at >= 0:
            return at
    words = list(WORD.finditer(expression))
    for word in words[:MAX_LOCATED]:
        if not any(_accepted(text, compiled, error) for text in _continued(expression[: word.end()])):
            return word.start()
    return len(expression)


def _continued(beginning: str) -> Iterator[str]:
    """Sentences that begin so."""
    closing = ")" * max(beginning.count("(") - beginning.count(")"), 0)
    for ending in ENDINGS:
        yield beginning + ending + closing


def _accepted(text: str, compiled: Callable[[str], Program], error: type[Exception]) -> bool:
    """Whether an expression has no syntax error."""
    try:
        compiled(text)
    except error as reason:
        return "syntax error" not in str(reason) and "illegal" not in str(reason)
    return True
