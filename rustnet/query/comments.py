"""Comments that name the owner of packets, in RustNet's form: ``rustnet process=curl pid=4711 uid=1000 …``.

Key and value are joined by ``=``, fields by one space, in a fixed order; unknown ones are left out. There is no
escaping: white space, control and invisible characters of a value become ``_``. A packet's comment is that of its
flow; a flow without an owner has none. A packet that already has a comment with the same process and pid gets no
second one.
"""

import re
import typing
from collections.abc import Iterable

import numpy as np

from rustnet.present.text import INVISIBLE

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

CHUNK = 262_144
"""Packets per lookup."""

_LONGEST = 255
"""Most characters of a value; fifteen such values fit a pcapng option in any encoding."""


_SIDED = "'tuple', 'addresses', 'wildcard', 'listener', 'port', 'remote', 'accepted'"
"""Matches that determine which end of the flow belongs to the owner."""


_NAMED = re.compile(r"rustnet(?: process=[^ ]*)?(?: pid=[^ ]*)?")


def _field(key: str, value: str) -> str:
    """SQL of one field with arbitrary text; NULL without a value."""
    clean = f"trim(regexp_replace(left({value}, {_LONGEST}), '[\\p{{Z}}\\p{{Cc}}{INVISIBLE}]', '_', 'g'), '_')"
    return f"'{key}=' || nullif({clean}, '')"


_FIELDS = ", ".join((
    _field("process", "p.name"),
    "'pid=' || p.pid",
    "'ppid=' || p.ppid",
    "'uid=' || p.uid",
    _field("attr", "w.best.quality"),
    _field("pod", "p.pod"),
    _field("ns", "p.namespace"),
    _field("pod_uid", "p.pod_uid"),
    _field("container", "p.container_name"),
    _field("container_id", "p.container_id"),
    "'direction=' || CASE WHEN w.best.sided THEN CASE WHEN w.best.reversed THEN 'incoming' ELSE 'outgoing' END END",
    _field("app", "CASE WHEN f.app_source = 'payload' THEN f.app END"),
    _field("sni", "CASE WHEN f.hostname_source IN ('sni', 'http') THEN f.hostname ELSE q.query END"),
))  # fmt: skip

_PACKETS = "SELECT number, flow_id FROM packets WHERE capture_id = $capture AND number >= $low AND number < $high"
_OF_FILE = """
SELECT * FROM (
    SELECT row_number() OVER (ORDER BY number) AS number, flow_id FROM packets
    WHERE capture_id = $capture AND file = $file
) WHERE number >= $low AND number < $high"""
"""The same with numbers within one of the capture's files."""

# The best of the winner's claims gives the match. A DNS flow with a single queried name has that name.
_COMMENTS = f"""
WITH here AS (SELECT DISTINCT flow_id FROM ({{packets}}) WHERE flow_id IS NOT NULL),
owned AS (SELECT f.* FROM flows AS f SEMI JOIN here USING (flow_id) WHERE f.process_id IS NOT NULL),
won AS (
    SELECT c.flow_id, arg_min({{'quality': c.quality, 'reversed': c.reversed, 'sided': c.match IN ({_SIDED})}},
        (c.rank, c.distance_ms)) AS best
    FROM claims AS c JOIN owned AS f
        ON f.flow_id = c.flow_id AND f.process_id = c.process_id AND f.process_source = c.source
    GROUP BY c.flow_id
), asked AS (
    SELECT d.flow_id, min(d.query) AS query FROM dns AS d SEMI JOIN owned USING (flow_id)
    WHERE d.capture_id = $capture GROUP BY d.flow_id HAVING count(DISTINCT d.query) = 1
)
SELECT f.flow_id, concat_ws(' ', 'rustnet', {_FIELDS}) AS comment
FROM owned AS f JOIN processes AS p ON p.process_id = f.process_id
LEFT JOIN won AS w ON w.flow_id = f.flow_id
LEFT JOIN asked AS q ON q.flow_id = f.flow_id
ORDER BY f.flow_id"""  # noqa: S608 -- constants of this module; values are bound


def _head(text: str) -> str:
    """First fields of a comment, which name the process."""
    match = _NAMED.match(text)
    return match[0] if match else text


def named_by(text: str, comments: Iterable[str]) -> bool:
    """Whether one of ``comments`` names the process that ``text`` names."""
    head = _head(text)
    return any(c.startswith(head) and c[len(head) : len(head) + 1] in ("", " ") for c in comments)


def comments_of_flows(
    session: "Session", packets: str, params: dict[str, object]
) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", list[str]]:
    """Flows with an owner among those of ``packets`` (SQL with flow_id; ``$capture`` is bound), and their comments."""
    owned = session.arrays(_COMMENTS.replace("{packets}", packets), params)
    return np.asarray(owned["flow_id"], np.int64), [str(text) for text in owned["comment"]]


class Comments:
    """The comments of one capture's packets, looked up in chunks on demand.

    With ``file``, those of one of the capture's files, by the packets' numbers within it.
    """

    def __init__(self, session: "Session", capture_id: int, file: int | None = None) -> None:
        self._session = session
        self._capture = capture_id
        self._file = file
        self._low = self._high = 0
        self.texts: list[bytes] = []
        """Distinct texts of the current chunk, in UTF-8."""
        self.heads: list[int] = []
        """Number of bytes of each text that name the process; the rest is detail."""
        self.chunk = 0
        """Number of chunks so far, by which a caller notices a new one."""
        self._decoded: list[str] = []
        self._which = np.zeros(0, np.int32)
        self._places = self._which.data

    def owned_flows(self) -> int:
        """Number of flows of the capture with an owner."""
        sql = "SELECT count(*) FROM flows WHERE capture_id = ? AND process_id IS NOT NULL"
        return int(self._session.execute(sql, [self._capture]).rows[0][0])

    def asked(self) -> bool:
        """Whether any source of ownership was read for the capture."""
        sql = (
            "SELECT count(*) FROM flows WHERE capture_id = ? "
            "AND coalesce(unowned_reason, '') NOT IN ('no_sidecar', 'not_attributable')"
        )
        return bool(self._session.execute(sql, [self._capture]).rows[0][0])

    def which(self, first: int, count: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
        """Index in `texts` for each of ``count`` packets from ``first``; -1 for none. At most `CHUNK` at once."""
        if first < self._low or first + count > self._high:
            self._load(first)
        return self._which[first - self._low : first - self._low + count]

    def text(self, number: int) -> str:
        """Comment of one packet; empty for none."""
        if not self._low <= number < self._high:
            self._load(number)
        place = self._places[number - self._low]
        return self._decoded[place] if place >= 0 else ""

    def _load(self, first: int) -> None:
        bounds = {"capture": self._capture, "low": first, "high": first + CHUNK}
        own = _PACKETS
        if self._file is not None:
            own, bounds["file"] = _OF_FILE, self._file
        self._low, self._high = first, first + CHUNK
        self._which = np.full(CHUNK, -1, np.int32)
        self._places = self._which.data
        self._decoded = []
        self.texts, self.heads = [], []
        self.chunk += 1
        owned = self._session.arrays(_COMMENTS.replace("{packets}", own), bounds)
        flows = owned["flow_id"]
        if not len(flows):
            return
        places: dict[str, int] = {}
        kinds = np.fromiter((places.setdefault(text, len(places)) for text in owned["comment"]), np.int32, len(flows))
        self._decoded = list(places)
        self.texts = [text.encode() for text in places]
        self.heads = [len(_head(text).encode()) for text in places]
        packets = self._session.arrays(f"SELECT * FROM ({own}) WHERE flow_id IS NOT NULL", bounds)  # noqa: S608
        at = np.minimum(np.searchsorted(flows, packets["flow_id"]), len(flows) - 1)
        owned_packets = flows[at] == packets["flow_id"]
        self._which[packets["number"][owned_packets] - first] = kinds[at[owned_packets]]
