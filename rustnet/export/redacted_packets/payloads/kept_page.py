"""The page about payloads, ``docs/redacted-payloads.md``, which this module writes to standard output."""

import sys

from rustnet.export.redacted_packets.payload import STREAM_BYTES
from rustnet.export.redacted_packets.payloads.registry import PROTOCOLS
from rustnet.export.redacted_packets.streams import KEPT_BYTES, MAX_PIECES, PENDING_BYTES
from rustnet.policy.redaction.pseudonyms import HOST, LENGTH, SYMBOLS

_HEAD = """# Payloads in redacted captures

Written by `python -m rustnet.export.redacted_packets.payloads.kept_page`; do not edit.

A redacted capture has the packets of the original with their lengths and times; of their payloads it has what this page
lists, and nothing else. Every payload begins as zeros. A field is written only if its place in the message was
understood and checked, and if it identifies nobody or was replaced as in tables, by its kind and under the same key
([redaction.md](redaction.md)). What follows the last such field is cut: the packet is stored shorter than it was, with
its original length beside it. What is between two of them are zeros.

The flow's protocol decides (`flows.app`), not the port. Of a flow without one, and of protocols that are not listed,
nothing is kept. Messages that are not understood are kept up to there. Under a policy that hides the names of hosts
(`timing-only`), or that treats a column of a protocol other than its kind, nothing is kept of the payloads either.
"""

_STRICT = """
## Under `strict`

Names are replaced without their suffixes and common words, and software as a whole. Of a TLS hello the lists from which
fingerprints are computed become zeros, and all extensions but the server's name, the versions and the protocols become
padding; names of protocols are hidden. Of SSH only the identification line is kept. The list of options that a DHCP
client requests is removed.
"""


def _names() -> str:
    most = len(HOST) + 1 + LENGTH
    short = f"{len(SYMBOLS) ** 3:,}"
    return f"""
## Names of the same length

No length changes, so that flows keep their packets and bytes, compression pointers of DNS stay valid, and lengths in
headers stay right. A replacement is written as long as its original was:

- a label of a host's name of {most} bytes or more is the pseudonym of the tables, filled up with `_`: `{HOST}-…___`;
- a shorter one is the beginning of its {LENGTH} symbols, without the mark: of a label of three bytes there are {short}
  replacements, of one byte {len(SYMBOLS)}, so that different short labels may have the same one;
- other texts are the beginning of what tables show, or all of it filled up with `_`; a text that is hidden is `xxx`.
  A beginning that could be read as another address is hidden as well.

To join names of packets with those of tables, take the `_` from the ends of labels, and compare the beginnings of the
others after their marks.

An address in a reverse name (`4.3.2.1.in-addr.arpa`) or in the place of a name is the address of the tables if its
digits have room, with zeros before them where there is more; otherwise letters, which are no address. Those of IPv6
always fit. A label that several names of a DNS message share, by a compression pointer, is replaced once, as in the
first of them.

Bytes that identify something (connection ids, transactions, sources of media) become others, the same for the same
bytes under the same key.
"""


def _streams() -> str:
    return f"""
## Connections

The directions of a TCP connection are put together before they are rewritten, so that a name in two segments is
replaced as a whole. Of each direction the first {STREAM_BYTES >> 10} kB are read, up to the first byte that was not
captured; nothing is kept after that. Of bytes that were sent twice the first are taken: a retransmission shows nothing
of another content. At most {PENDING_BYTES >> 20} MB are waiting for the end of their connections, at most
{KEPT_BYTES >> 20} MB are kept of all, and a direction has at most {MAX_PIECES} parts that wait for others.
"""


def page() -> str:
    """Text of ``docs/redacted-payloads.md``."""
    lines = ["", "## What is kept", "", "| `flows.app` | stays | replaced | removed |", "| --- | --- | --- | --- |"]
    groups: dict[int, list[str]] = {}
    for name, protocol in PROTOCOLS.items():
        groups.setdefault(id(protocol), []).append(name)
    for names in groups.values():
        protocol = PROTOCOLS[names[0]]
        shown = ", ".join(f"`{name}`" for name in names)
        lines.append(f"| {shown} | {protocol.kept} | {protocol.replaced} | {protocol.removed} |".replace("|  |", "| |"))
    return _HEAD + "\n".join(lines) + "\n" + _STRICT + _names() + _streams()


if __name__ == "__main__":
    sys.stdout.write(page())
