"""Numbers of flows that several workers found: each counts its own, the session counts all."""

import numpy as np

from rustnet.columnar import NULL, Array, Column


class Numbers:
    """From a worker's numbers of flows, counted from 1, to those of the session."""

    def __init__(self) -> None:
        self.known = np.full(1 << 12, NULL, np.int64)
        """By the worker's number; 0 stands for no flow."""
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


def number_flows(numbers: list[Numbers], opened: list[Array], first: int) -> int:
    """Number the flows that began in a batch, in the order of their packets; returns how many there are.

    ``opened`` has for each worker the packets in which its flows began (`workers.Found`). All that begin in
    one packet are one worker's, but for the first worker's that the others follow as well: it comes before what the
    packet completes.
    """
    own = [packets[packets > 0] for packets in opened]
    order = np.argsort(np.concatenate(own), kind="stable")
    made = np.empty(len(order), np.int64)
    made[order] = np.arange(first, first + len(order))
    theirs = np.split(made, np.cumsum([len(packets) for packets in own])[:-1])
    firsts, first_ids = np.append(own[0], 0), np.append(theirs[0], NULL)  # the ends stand for what is not found
    for mine, packets, flow_ids in zip(numbers, opened, theirs, strict=True):
        if len(flow_ids) == len(packets):
            mine.add(flow_ids)
            continue
        ids = np.empty(len(packets), np.int64)
        ids[packets > 0] = flow_ids
        common = -packets[packets < 0]
        at = np.searchsorted(own[0], common)
        ids[packets < 0] = np.where(firsts[at] == common, first_ids[at], NULL)
        mine.add(ids)
    return len(order)
