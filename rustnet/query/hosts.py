"""The hosts of a session: every address that sent packets, with its hardware address, name and traffic."""

import typing

from rustnet.query.execute import RowStream

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

COLUMNS = (
    "ip", "mac", "vendor", "hostname", "hostname_source", "hostnames", "learned_from", "macs", "flows", "bytes_sent",
    "bytes_received", "first_seen", "last_seen",
)  # fmt: skip

_LIST = f"""
SELECT {", ".join(COLUMNS)}
FROM hosts LEFT JOIN (SELECT ip, flows, bytes_sent, bytes_received FROM talkers) USING (ip)
WHERE mac IS NOT NULL OR NOT ?
ORDER BY bytes_sent + bytes_received DESC NULLS LAST, ip"""  # noqa: S608 -- our columns


def list_hosts(session: "Session", *, local: bool = False, limit: int | None = None) -> RowStream:
    """Hosts as rows of `COLUMNS`, the most bytes first; ``local``: only those whose hardware address is known."""
    return session.stream(_LIST if limit is None else f"{_LIST} LIMIT {int(limit)}", (local,))
