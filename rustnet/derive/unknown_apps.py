"""Pass ``unknown-apps``: another decoder (tshark) names the applications of flows that no parser knew.

It is given the first packets of each such flow, in packet order, and returns the protocols of each; what is above the
flow's transport, in most of its packets, becomes `flows.app` with `app_source` ``tshark``. What a parser confirmed is
never replaced. The decoder itself runs elsewhere (`rustnet.inspect.longtail`): a pass opens no capture.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rustnet.attribute.stage import run
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.errors import RustnetError
from rustnet.i18n import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_FLOWS = 20_000
"""Flows of a capture that are asked about, the largest first."""
PACKETS = 10
"""First packets of each that are shown: a dissector must see how a stream begins."""
MAX_BYTES = 64 << 20
"""Bytes of a capture that are shown."""

_UNKNOWN = """capture_id = $capture AND (app_source IS NULL OR app_source NOT IN ('payload', 'tshark'))
        AND protocol IN ('tcp', 'udp', 'sctp') AND (src_payload + dst_payload > 0 OR protocol = 'sctp')"""

_COUNT = f"SELECT count(*) FROM flows WHERE {_UNKNOWN}"  # noqa: S608 -- ours

_SHOWN = f"""
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
WHERE f.flow_id = v.flow_id AND (app_source IS NULL OR app_source <> 'payload')"""

Sample = tuple[int, int, str, bool]
"""Packet number, flow, its transport protocol, and whether it was carried in a tunnel."""

PacketDecoder = Callable[[str, Sequence[Sample]], tuple[list[str], str | None]]
"""From a capture's path and samples to the protocols of each (``eth:ethertype:ip:udp:dns``), as far as it came, and why
it did not come to the end. Raises `RustnetError`."""

_NO_PROTOCOL = frozenset(("data", "data-text-lines", "vssmonitoring", "tcp.segments", "eth_padding"))
"""Layers that tshark gives to bytes it cannot name."""
_BROKEN = frozenset(("_ws.malformed", "_ws.short", "_ws.unreassembled"))
_FRAMING = frozenset(("tpkt", "cotp", "nbss", "ses", "pres", "socks", "proxy"))
"""Layers that only carry another protocol; they are the answer where nothing is above them."""

ALIASES = {
    "bt-dht": "bittorrent", "bt-utp": "bittorrent", "bt-tracker": "bittorrent", "gquic": "quic", "isakmp": "ike",
    "mongo": "mongodb", "nbdgm": "netbios", "nbns": "netbios", "nbss": "netbios", "pgsql": "postgresql",
    "resp": "redis", "rtcp": "rtp", "smb2": "smb", "wg": "wireguard",
}  # fmt: skip
"""Names of tshark for what has another name in `flows.app`."""

_CARRIERS = frozenset(ALIASES.get(layer, layer) for layer in _FRAMING)

_APP_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,39}")


def unknown_flows(con: "DuckDBPyConnection", capture_id: int) -> int:
    """Count the flows of a capture that carry payload which no parser knew."""
    return int(run(con, _COUNT, {"capture": capture_id})[0][0])


def packets_to_show(con: "DuckDBPyConnection", capture_id: int) -> list[Sample]:
    """First packets of these flows, by number, within the bounds."""
    return [(n, f, p, i) for n, f, p, i in run(con, _SHOWN, {"capture": capture_id})]


def store_apps(con: "DuckDBPyConnection", apps: dict[int, str]) -> int:
    """Write the answers, flow to application, and return how many flows have a name by it."""
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
    """Record in `anomalies` that flows were not asked about, or not answered for."""
    sql = "INSERT INTO anomalies (capture_id, kind, detail, count) VALUES (?, 'tshark_incomplete', ?, ?)"
    run(con, sql, [capture_id, detail[:500], count])


def answers(shown: Sequence[Sample], chains: Sequence[str]) -> dict[int, str]:
    """Flow to application, by most of its frames; ``chains[n]`` are the protocols of ``shown[n]``."""
    votes: dict[int, Counter[str]] = {}
    for (_number, flow, protocol, inside), chain in zip(shown, chains, strict=False):
        name = app_name(chain, protocol, inside)
        if name is not None:
            votes.setdefault(flow, Counter())[name] += 1
    named: dict[int, str] = {}
    for flow, counted in votes.items():
        proper = {name: count for name, count in counted.items() if name not in _CARRIERS} or counted
        named[flow] = max(proper, key=proper.__getitem__)
    return named


def app_name(chain: str, protocol: str, inside: bool) -> str | None:
    """Application in a frame's protocols (``eth:ethertype:ip:udp:dns``) above the flow's own transport.

    A flow out of a tunnel has the last such transport of the frame, any other the first: what tshark finds inside
    something that rustnet takes for payload is that flow's payload.
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


def _name_capture(con: "DuckDBPyConnection", capture_id: int, source: str, decoder: PacketDecoder) -> Outcome:
    """Ask the decoder about one capture, and store its answers."""
    outcome = Outcome()
    unknown = unknown_flows(con, capture_id)
    samples = packets_to_show(con, capture_id) if unknown else []
    if not samples:
        return outcome
    if not Path(source).is_file():
        sentence = _("{source}: cannot be read a second time, so tshark was not asked; replay a file")
        outcome.failures.append(sentence.format(source=source))
        return outcome
    asked = len({flow for _number, flow, _protocol, _inside in samples})
    try:
        chains, stopped = decoder(source, samples)
    except RustnetError as error:
        outcome.failures.append(str(error) if str(error).startswith(source) else f"{source}: {error}")
        _record(con, capture_id, str(error), unknown)
        return outcome
    outcome.changed = store_apps(con, answers(samples, chains))
    sentence = _("{source}: tshark named {named:,} of {asked:,} flows that no parser knew")
    outcome.notes.append(sentence.format(source=source, named=outcome.changed, asked=asked))
    if stopped:
        outcome.losses.append(f"{source}: {stopped}")
        _record(con, capture_id, stopped, len({flow for _number, flow, _protocol, _inside in samples[len(chains) :]}))
    if asked < unknown:
        sentence = _("tshark was asked about the largest {asked:,} of {unknown:,} flows that no parser knew")
        words = sentence.format(asked=asked, unknown=unknown)
        outcome.losses.append(f"{source}: {words}")
        _record(con, capture_id, words, unknown - asked)
    return outcome


def _run(con: "DuckDBPyConnection", span: Span, evidence: Evidence) -> Outcome:
    outcome = Outcome()
    if evidence.decoder is None:
        return outcome
    for capture_id in span.captures:
        ((source,),) = run(con, "SELECT source FROM captures WHERE capture_id = ?", [capture_id])
        run(con, "DELETE FROM anomalies WHERE capture_id = ? AND kind = 'tshark_incomplete'", [capture_id])
        part = _name_capture(con, capture_id, source, evidence.decoder)
        outcome.changed += part.changed
        outcome.notes += part.notes
        outcome.losses += part.losses
        outcome.failures += part.failures
    return outcome


UNKNOWN_APPS = Pass(
    "unknown-apps", "applications that no parser knew, by tshark", ("flows_ended",), _run, on_demand=True
)
