"""The helper: a process of root that hands capture descriptors to allowed users, over a Unix socket.

A request is one packet of a SOCK_SEQPACKET connection, and so is its answer: JSON objects, the answer with a descriptor
for each ring (SCM_RIGHTS). Nothing that was captured passes through the helper.
"""

SOCKET = "/run/rustnet/helper.sock"
CONFIGURATION = "/etc/rustnet/helper.toml"
MAX_MESSAGE = 65_536
"""Bytes of a request or an answer."""
MAX_INTERFACES = 64
"""Interfaces of a request."""
MAX_SNAPLEN = 1 << 18
INSTRUCTION = "=HBBI"
"""An instruction of a filter program, as `struct` and the kernel have it; programs are sent as base64."""
