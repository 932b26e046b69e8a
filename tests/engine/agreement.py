"""The reference's answer in the form of the engine's, and the script that asks the uncompiled engine for its own."""

import pickle
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.engine.reference import Conversation, Reference, conn_state
from tests.engine.reference_jumps import missed
from tests.engine.tracking import WELL_KNOWN, join, track
from tests.support.packets import Captured

SIDE_KEYS = {
    "packets": "packets",
    "bytes": "wire",
    "payload": "payload",
    "flags": "flags",
    "ttl": "ttl",
    "retransmissions": "retransmissions",
    "fast_retransmissions": "fast_retransmissions",
    "out_of_order": "out_of_order",
    "duplicate_acks": "duplicate_acks",
    "zero_windows": "zero_windows",
    "srtt": "srtt",
    "min_rtt": "min_rtt",
}
FLOW_KEYS = (
    "flow_id",
    "generation",
    "first_ts",
    "last_ts",
    "first_packet",
    "handshake_rtt",
    "vlan",
    "dst_vlan",
    "duplicates",
    "history",
    "end_reason",
    "protocol",
    "src",
    "dst",
    "state",
)


def plain(flow: Conversation) -> dict[str, object]:
    """A flow of the reference with the keys of `tracking.plain_flow`."""
    made: dict[str, object] = {key: getattr(flow, key) for key in FLOW_KEYS}
    made["conn_state"] = conn_state(flow)
    made["icmp_type"], made["icmp_code"], made["icmp_id"] = flow.icmp
    for name, side in flow.sides.items():
        made |= {f"{name}_{key}": getattr(side, own) for key, own in SIDE_KEYS.items()}
        made[f"{name}_missed"] = missed(side, flow.sides["dst" if name == "src" else "src"])
    return made


Answer = tuple[list[dict[str, object]], list[tuple[int, bool, int, int]], list[list[list[bytes | int]]]]


def ask_reference(packets: Sequence[Captured]) -> Answer:
    """The reference's flows, packet index and TCP streams."""
    reference = Reference(WELL_KNOWN)
    for number, packet in enumerate(packets, 1):
        reference.packet(packet.ts, packet.data, number)
    flows = reference.finish()
    streams = [[join(line.out) for line in flow.reader.lines.values()] for flow in flows]
    return [plain(flow) for flow in flows], reference.index, streams


def ask_engine(packets: Sequence[Captured], borders: Sequence[int] = ()) -> Answer:
    """The engine's flows, packet index and TCP streams."""
    got = track(packets, borders)
    streams = [list(got.reader.streams(flow["flow_id"])) for flow in got.flows]  # type: ignore[arg-type]
    return got.flows, got.index, streams


def differences(flows: list[dict[str, object]], expected: list[dict[str, object]]) -> list[str]:
    """Fields of the expectation that the flows do not have."""
    if len(flows) != len(expected):
        return [f"{len(flows)} flows instead of {len(expected)}"]
    found = []
    for flow, wanted in zip(flows, expected, strict=True):
        for key, value in wanted.items():
            if flow[key] != value:
                found.append(f"flow {wanted['flow_id']} {key}: {flow[key]!r} instead of {value!r}")
    return found


if __name__ == "__main__":
    # Answers for a pickled list of (packets, borders); used by the tests on a tree without compiled modules.
    questions = pickle.loads(Path(sys.argv[1]).read_bytes())
    import rustnet.engine.tracker

    assert str(rustnet.engine.tracker.__file__).endswith(".py"), "the engine is compiled"
    Path(sys.argv[2]).write_bytes(pickle.dumps([ask_engine(packets, borders) for packets, borders in questions]))
