"""The privileged side: reads the kernel's socket tables, the process table and the packets that open connections.

It imports the standard library only and runs on Python 3.8, because ``tools/bundle`` also writes these modules as the
single file ``sidecar/record.py``. Opening sockets and reading /proc happen in `kernel`, `translations`, `watch`,
`procfs`, `facts`, `hashes` and `processes`; `redact`, `lines` and `netlink` only turn values into other values.
"""
