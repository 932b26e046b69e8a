"""Intervals of bulk TCP flows (`rustnet.engine.tally`) as columns of their table."""

from collections.abc import Sequence

import numpy as np

from rustnet.columnar import Array, Column
from rustnet.engine.tally import COLUMNS
from rustnet.store.batches import Columns
from rustnet.store.tables import TcpInterval

MS = 1e6
"""Nanoseconds of a millisecond."""


def interval_columns(rows: Sequence[tuple[int, ...]]) -> Columns:
    """Columns of at least one row of the engine's."""
    values = dict(zip(COLUMNS, np.array(rows, np.int64).T, strict=True))
    samples = values["rtt_samples"]
    mean = np.where(samples > 0, values["rtt_sum"] / np.maximum(samples, 1), -1)
    batch: dict[str, Column] = {
        "flow_id": np.ascontiguousarray(values["flow_id"]),
        "from_src": values["from_src"].astype(np.bool_),
        "began_at": np.ascontiguousarray(values["began_at"]).view("datetime64[ns]"),
        "ts": np.ascontiguousarray(values["ts"]).view("datetime64[ns]"),
        "rtt_samples": samples.astype(np.uint32),
        "min_rtt_ms": _milliseconds(values["rtt_low"]),
        "rtt_ms": _milliseconds(mean),
        "max_rtt_ms": _milliseconds(values["rtt_high"]),
        "least_rtt_ms": _milliseconds(values["least_rtt"]),
        "sent_bytes": np.ascontiguousarray(values["sent"]),
        "acknowledged_bytes": np.ascontiguousarray(values["acknowledged"]),
        "in_flight_bytes": np.ascontiguousarray(values["in_flight"]),
        "retransmissions": values["retransmissions"].astype(np.uint32),
    }
    return Columns(TcpInterval, batch)


def _milliseconds(times: Array) -> Array:
    """Nanoseconds as milliseconds; negative ones are NULL."""
    return np.where(times >= 0, times / MS, np.nan)
