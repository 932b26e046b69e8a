"""Writes the HTTP transactions of a session as an HTTP archive (HAR 1.2): what was sent in the clear, without bodies.

docs/exports.md says what maps to what, and what has no place in the format.
"""

import re
from collections.abc import Iterator

from rustnet import __version__
from rustnet.export.folder import ExportFolder
from rustnet.export.formats import COMPACT, dumps
from rustnet.export.left_out import count
from rustnet.export.timeline import Fields, Source, Timeline
from rustnet.i18n import _, ngettext
from rustnet.present.values import timestamp_ns
from rustnet.query.session import Session

NAME = "http.har"
"""Name of the file."""

UNKNOWN = "unknown"
UNKNOWN_TYPE = "x-unknown"
"""What browsers write for a version, and for the type of a body, that they do not know."""

_COLUMNS = (
    "packet", "flow_id", "method", "host", "uri", "version", "user_agent", "referer", "status", "reason",
    "content_type", "request_content_type", "server", "location", "request_bytes", "response_bytes", "response_ms",
    "has_authorization", "has_cookie", "has_set_cookie", "forwarded_for", "upgrade", "pair_unknown",
)  # fmt: skip
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_MARKS = ("has_authorization", "has_cookie", "has_set_cookie", "pair_unknown")


def write_har(session: Session, folder: ExportFolder) -> list[str]:
    """Write ``http.har``; returns sentences on what has no place in it."""

    def texts(row: Fields) -> Iterator[str]:
        yield dumps(entry(row), COMPACT)

    source = Source("http", "ts", texts, columns=_COLUMNS, flow=("dst_ip", "dst_port"), where="m.method IS NOT NULL")
    creator = {"name": "rustnet", "version": __version__}
    with folder.create(NAME) as stream:
        stream.write(f'{{"log":{{"version":"1.2","creator":{dumps(creator, COMPACT)},"entries":['.encode())
        separator = "\n"
        for text in Timeline(session, [source]):
            stream.write(f"{separator}{text}".encode())
            separator = ",\n"
        stream.write(b"\n]}}\n")
    return _remarks(session)


def entry(row: Fields) -> Fields:
    """One transaction."""
    wait = row["response_ms"]
    made: Fields = {
        "startedDateTime": timestamp_ns(row["moment"]),
        "time": wait or 0,
        "request": _request(row),
        "response": _response(row),
        "cache": {},
        # Only the wait is measured; the format requires the other two, and numbers that are not negative.
        "timings": {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": wait or 0, "receive": 0},
        "connection": str(row["flow_id"]),
        "_flow_id": row["flow_id"],
        "_packet": row["packet"],
    }
    if row["f.dst_ip"]:
        made["serverIPAddress"] = row["f.dst_ip"]
    return made | {f"_{name}": True for name in _MARKS if row[name]}


def _request(row: Fields) -> Fields:
    """Request line, the headers that the session has, and the size of the body."""
    newer = (row["version"] or "").startswith("HTTP/2")
    upgrade = None if row["status"] == 101 else row["upgrade"]  # there it is what the server chose
    fields = (
        (":authority" if newer else "Host", row["host"]),
        ("User-Agent", row["user_agent"]),
        ("Referer", row["referer"]),
        ("Content-Type", row["request_content_type"]),
        ("X-Forwarded-For", row["forwarded_for"]),
        ("Upgrade", upgrade),
    )
    return {
        "method": row["method"],
        "url": url(row),
        "httpVersion": row["version"] or UNKNOWN,
        "cookies": [],
        "headers": _headers(fields),
        "queryString": _parameters(row["uri"] or ""),
        "headersSize": -1,
        "bodySize": row["request_bytes"] or 0,
    }


def url(row: Fields) -> str:
    """URL of a request. Without a Host header it has the server's address."""
    target, host = row["uri"] or "", row["host"]
    if _ABSOLUTE.match(target):
        return str(target)
    if row["method"] == "CONNECT":
        return f"http://{target}"
    if not host:
        address, port = row["f.dst_ip"] or "", row["f.dst_port"]
        host = f"[{address}]" if ":" in address else address
        if port not in (None, 80):
            host = f"{host}:{port}"
    if target and not target.startswith("/"):
        target = f"/{target}"  # OPTIONS *
    return f"http://{host}{target}"


def _parameters(target: str) -> list[dict[str, str]]:
    """Parameters of a query, as they were sent: nothing is decoded."""
    query = target.partition("#")[0].partition("?")[2]
    parts = [part.partition("=") for part in query.split("&") if part]
    return [{"name": name, "value": value} for name, _equals, value in parts]


def _response(row: Fields) -> Fields:
    """Status line, the headers that the session has, and the size of the body; status 0 if there is no response."""
    size = row["response_bytes"] or 0
    switched = row["upgrade"] if row["status"] == 101 else None
    fields = (("Content-Type", row["content_type"]), ("Server", row["server"]), ("Location", row["location"]),
              ("Upgrade", switched))  # fmt: skip
    return {
        "status": row["status"] or 0,
        "statusText": row["reason"] or "",
        "httpVersion": UNKNOWN,
        "cookies": [],
        "headers": _headers(fields),
        "content": {"size": size, "mimeType": row["content_type"] or UNKNOWN_TYPE},
        "redirectURL": row["location"] or "",
        "headersSize": -1,
        "bodySize": -1 if row["status"] is None else size,
    }


def _headers(fields: tuple[tuple[str, str | None], ...]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in fields if value]


def _remarks(session: Session) -> list[str]:
    """Sentences on what was left out."""
    sentences = []
    if "http" in session.columns():
        sql = "SELECT count(*) FROM http WHERE method IS NULL AND {}"
        interim = count(session, sql.format("status < 200"))
        others = count(session, sql.format("(status IS NULL OR status >= 200)"))
        if interim:
            template = ngettext("{n} interim response is left out", "{n} interim responses are left out", interim)
            sentences.append(template.format(n=f"{interim:,}"))
        if others:
            template = ngettext(
                "{n} response whose request is not in the capture is left out",
                "{n} responses whose requests are not in the capture are left out",
                others,
            )
            sentences.append(template.format(n=f"{others:,}"))
    sentences.append(
        _("without a place: all but clear HTTP; bodies, cookies, credentials and most headers are not in the session")
    )
    return sentences
