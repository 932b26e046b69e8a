"""Flow ids over several workers: each numbers its own flows, these map them to the session's."""

import numpy as np

from rustnet.columnar import NULL, Array, Column


class Numbers:
    """From a worker's numbers of flows, counted from 1, to those of the session."""

    def __init__(self) -> None:
        self.known = np.full(1 << 12, NULL, np.int64)
        """By the worker's number; index 0, no flow, is NULL."""
        self.count = 1

    def add(self, flow_ids: Array) -> None:
        """The session's numbers of the worker's next flows."""
        end = self.count + len(flow_ids)
        if end > len(self.known):
            grown = np.full(end + end // 4, NULL, np.int64)
            grown[: self.count] = self.known[: self.count]
            self.known = grown
        self.known[self.count : end] = flow_ids
        self.count = end

    def of(self, flow_ids: Array) -> Array:
        """The session's numbers for a worker's, `NULL` for `NULL`."""
        return self.known[np.maximum(flow_ids, 0)]

    def one(self, flow_id: int | None) -> int | None:
        """The session's number for one of a worker's."""
        return int(self.known[flow_id]) if flow_id else None

    def renumber(self, batch: dict[str, Column]) -> None:
        """Give the rows of a batch the session's numbers."""
        for name in ("flow_id", "outer_flow_id"):
            column = batch.get(name)
            if isinstance(column, np.ndarray):
                batch[name] = self.of(column)


def number_flows(numbers: list[Numbers], first_packets: list[Array], first: int) -> int:
    """Number the flows that began in a batch, in the order of their packets; returns how many there are.

    ``first_packets`` has a list for each worker (`rustnet.analysis.workers.WorkerReply`), of packets or of parts of
    them. All flows that begin in one are one worker's, but for the first worker's that the others follow as well: it
    comes before what the packet completes.
    """
    own = [packets[packets > 0] for packets in first_packets]
    order = np.argsort(np.concatenate(own), kind="stable")
    made = np.empty(len(order), np.int64)
    made[order] = np.arange(first, first + len(order))
    theirs = np.split(made, np.cumsum([len(packets) for packets in own])[:-1])
    firsts, first_ids = (
        np.append(own[0], 0),
        np.append(theirs[0], NULL),
    )  # the last element is for packets that are not in the list
    for mine, packets, flow_ids in zip(numbers, first_packets, theirs, strict=True):
        if len(flow_ids) == len(packets):
            mine.add(flow_ids)
            continue
        ids = np.empty(len(packets), np.int64)
        ids[packets > 0] = flow_ids
        common = -packets[packets < 0]
        # A packet in tunnels may begin several of the first worker's flows; the others follow them in the same order.
        at = np.searchsorted(own[0], common) + np.arange(len(common)) - np.searchsorted(common, common)
        at = np.minimum(at, len(own[0]))
        ids[packets < 0] = np.where(firsts[at] == common, first_ids[at], NULL)
        mine.add(ids)
    return len(order)
