"""Pass ``unknown-apps``: tshark names the applications of flows that no parser recognised.

The decoder gets the first packets of each such flow, in packet order, and returns the protocols of each packet. The
protocol above the transport in most packets of a flow becomes `flows.app`, with `app_source` ``tshark``. Applications
that a parser confirmed are never replaced. The decoder is `rustnet.inspect.longtail`: passes open no captures.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rustnet.attribute.stage import run
from rustnet.derive.ownership import sources_of
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.errors import RustnetError
from rustnet.filenames import as_path
from rustnet.i18n import N_, _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_FLOWS = 20_000
"""Maximum of flows per capture, the largest first."""
PACKETS = 10
"""Packets decoded per flow, from its beginning: dissectors need the start of a stream."""
MAX_BYTES = 64 << 20
"""Maximum of bytes decoded per capture."""

_UNKNOWN = """capture_id = $capture AND (app_source IS NULL OR app_source NOT IN ('payload', 'inherited', 'tshark'))
        AND protocol IN ('tcp', 'udp', 'sctp') AND (src_payload + dst_payload > 0 OR protocol = 'sctp')"""

_COUNT = f"SELECT count(*) FROM flows WHERE {_UNKNOWN}"  # noqa: S608 -- ours

_SAMPLES = f"""
WITH chosen AS (
    SELECT flow_id, protocol, tunnel IS NOT NULL AS inside FROM flows WHERE {_UNKNOWN}
    ORDER BY src_bytes + dst_bytes DESC, flow_id LIMIT {MAX_FLOWS}
), first AS (
    SELECT p.number, p.flow_id, c.protocol, c.inside, p.captured
    FROM packets p JOIN chosen c ON c.flow_id = p.flow_id WHERE p.capture_id = $capture
    QUALIFY row_number() OVER (PARTITION BY p.flow_id ORDER BY p.number) <= {PACKETS}
)
SELECT number, flow_id, protocol, inside FROM first
QUALIFY sum(captured) OVER (ORDER BY number ROWS UNBOUNDED PRECEDING) <= {MAX_BYTES}
ORDER BY number"""  # noqa: S608 -- ours

_NAME = """
UPDATE flows_ended AS f SET app = v.app, app_source = 'tshark' FROM own_batch v
WHERE f.flow_id = v.flow_id AND (app_source IS NULL OR app_source NOT IN ('payload', 'inherited'))"""

Sample = tuple[int, int, str, bool]
"""Packet number, flow, its transport protocol, and whether the flow is inside a tunnel."""

PacketDecoder = Callable[[Sequence[str], bool, Sequence[Sample]], tuple[list[str], str | None]]
"""Returns, for the paths of a capture's files, whether they are merged by time, and samples, the protocols of each
(``eth:ethertype:ip:udp:dns``), and the reason if it stopped early. Raises `RustnetError`."""

_NO_PROTOCOL = frozenset(("data", "data-text-lines", "vssmonitoring", "tcp.segments", "eth_padding"))
"""Layers that tshark reports for bytes it cannot decode."""
_BROKEN = frozenset(("_ws.malformed", "_ws.short", "_ws.unreassembled"))
_FRAMING = frozenset(("tpkt", "cotp", "nbss", "ses", "pres", "socks", "proxy"))
"""Layers that carry another protocol; used only if there is no layer above them."""

ALIASES = {
    "bt-dht": "bittorrent", "bt-utp": "bittorrent", "bt-tracker": "bittorrent", "gquic": "quic", "isakmp": "ike",
    "mongo": "mongodb", "nbdgm": "netbios", "nbns": "netbios", "nbss": "netbios", "pgsql": "postgresql",
    "resp": "redis", "rtcp": "rtp", "smb2": "smb", "wg": "wireguard",
}  # fmt: skip
"""Values of `flows.app` for protocols that tshark names differently."""

_CARRIERS = frozenset(ALIASES.get(layer, layer) for layer in _FRAMING)

_APP_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,39}")


def unknown_flows(con: "DuckDBPyConnection", capture_id: int) -> int:
    """Count the flows of a capture with payload that no parser recognised."""
    return int(run(con, _COUNT, {"capture": capture_id})[0][0])


def select_samples(con: "DuckDBPyConnection", capture_id: int) -> list[Sample]:
    """First packets of these flows in packet order, within the limits."""
    return [(n, f, p, i) for n, f, p, i in run(con, _SAMPLES, {"capture": capture_id})]


def store_apps(con: "DuckDBPyConnection", apps: dict[int, str]) -> int:
    """Store the applications by flow; returns the number of flows changed."""
    if not apps:
        return 0
    flows = sorted(apps)
    names = np.fromiter((apps[flow] for flow in flows), object, len(flows))
    con.register("own_batch", {"flow_id": np.array(flows, np.int64), "app": names})
    try:
        return int(run(con, _NAME)[0][0])
    finally:
        con.unregister("own_batch")


def _record(con: "DuckDBPyConnection", capture_id: int, detail: str, count: int) -> None:
    """Record in `anomalies` that flows were skipped or not decoded."""
    sql = "INSERT INTO anomalies (capture_id, kind, detail, count) VALUES (?, 'tshark_incomplete', ?, ?)"
    run(con, sql, [capture_id, detail[:500], count])


def apps_by_flow(samples: Sequence[Sample], chains: Sequence[str]) -> dict[int, str]:
    """Applications by flow, by majority of its packets; ``chains[n]`` are the protocols of ``samples[n]``."""
    votes: dict[int, Counter[str]] = {}
    for (_number, flow, protocol, inside), chain in zip(samples, chains, strict=False):
        name = app_name(chain, protocol, inside)
        if name is not None:
            votes.setdefault(flow, Counter())[name] += 1
    named: dict[int, str] = {}
    for flow, counted in votes.items():
        proper = {name: count for name, count in counted.items() if name not in _CARRIERS} or counted
        named[flow] = max(proper, key=proper.__getitem__)
    return named


def app_name(chain: str, protocol: str, inside: bool) -> str | None:
    """Application above the flow's transport in a packet's protocols (``eth:ethertype:ip:udp:dns``).

    For a flow inside a tunnel this is the packet's last such transport, otherwise the first: transports that tshark
    decodes further inside belong to the flow's payload.
    """
    layers = chain.lower().split(":")
    if protocol not in layers or not _BROKEN.isdisjoint(layers):
        return None
    at = len(layers) - 1 - layers[::-1].index(protocol) if inside else layers.index(protocol)
    above = [layer for layer in layers[at + 1 :] if layer not in _NO_PROTOCOL]
    if not above:
        return None
    name = next((layer for layer in above if layer not in _FRAMING), above[-1])
    return ALIASES.get(name, name) if _APP_NAME.fullmatch(name) else None


def _name_capture(
    con: "DuckDBPyConnection", capture_id: int, merged: bool, decoder: PacketDecoder, outcome: Outcome
) -> None:
    """Decode the samples of one capture, store the applications, and add what was done to ``outcome``."""
    unknown = unknown_flows(con, capture_id)
    samples = select_samples(con, capture_id) if unknown else []
    if not samples:
        return
    sources = sources_of(con, capture_id)
    paths = [as_path(source) for source in sources]
    source, path = sources[0], paths[0]
    if not all(Path(path).is_file() for path in paths):
        sentence = _("{source}: cannot be read again, so tshark was not run; replay a file")
        outcome.failures.append(sentence.format(source=source))
        return
    sampled = len({flow for _number, flow, _protocol, _inside in samples})
    try:
        chains, stopped = decoder(paths, merged, samples)
    except RustnetError as error:
        words = error.sentence(_)
        outcome.failures.append(words if words.startswith(path) else f"{source}: {words}")
        _record(con, capture_id, str(error), unknown)
        return
    named = store_apps(con, apps_by_flow(samples, chains))
    outcome.changed += named
    sentence = _("{source}: tshark named {named:,} of {sampled:,} flows that no parser recognised")
    outcome.notes.append(sentence.format(source=source, named=named, sampled=sampled))
    if stopped:
        outcome.losses.append(f"{source}: {stopped}")
        _record(con, capture_id, stopped, len({flow for _number, flow, _protocol, _inside in samples[len(chains) :]}))
    if sampled < unknown:
        sentence = N_("tshark decoded only the largest {sampled:,} of {unknown:,} flows that no parser recognised")
        words = _(sentence).format(sampled=sampled, unknown=unknown)
        outcome.losses.append(f"{source}: {words}")
        _record(con, capture_id, sentence.format(sampled=sampled, unknown=unknown), unknown - sampled)


def _run(con: "DuckDBPyConnection", span: Span, evidence: Evidence) -> Outcome:
    outcome = Outcome()
    if evidence.decoder is None:
        return outcome
    for capture_id in span.captures:
        ((assembly,),) = run(con, "SELECT assembly FROM captures WHERE capture_id = ?", [capture_id])
        run(con, "DELETE FROM anomalies WHERE capture_id = ? AND kind = 'tshark_incomplete'", [capture_id])
        _name_capture(con, capture_id, assembly == "merged", evidence.decoder, outcome)
    return outcome


UNKNOWN_APPS = Pass("unknown-apps", _run, on_demand=True)
