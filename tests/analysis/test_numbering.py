"""Flows of several workers get the numbers that one process would give them."""

import numpy as np

from rustnet.analysis.numbering import Numbers, number_flows
from rustnet.columnar import NULL, Column


def known(numbers: Numbers) -> list[int]:
    return [int(flow) for flow in numbers.known[1 : numbers.count]]


def packets(*packets: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(packets, np.int64)


def test_flows_are_numbered_in_the_order_of_their_packets() -> None:
    numbers = [Numbers(), Numbers()]
    assert number_flows(numbers, [packets(1, 4, 4), packets(2, 3, 9)], 10) == 6
    assert number_flows(numbers, [packets(), packets(12)], 16) == 1
    assert number_flows(numbers, [packets(), packets()], 17) == 0
    assert [known(each) for each in numbers] == [[10, 13, 14], [11, 12, 15, 16]]
    assert numbers[1].of(packets(4, NULL, 1, 0)).tolist() == [16, NULL, 11, NULL]
    assert (numbers[0].one(2), numbers[0].one(None)) == (13, None)


def test_what_others_follow_too_is_the_first_ones() -> None:
    numbers = [Numbers(), Numbers(), Numbers()]
    assert number_flows(numbers, [packets(5, 7), packets(-5, 5, -7), packets(-5, 6, -7, -8)], 1) == 4
    assert [known(each) for each in numbers] == [[1, 4], [1, 2, 4], [1, 3, 4, NULL]]


def test_many_flows() -> None:
    numbers = [Numbers()]
    for first in range(1, 30_001, 3_000):
        number_flows(numbers, [np.arange(first, first + 3_000)], first)
    assert known(numbers[0]) == list(range(1, 30_001))


def test_columns_are_renumbered() -> None:
    numbers = [Numbers()]
    number_flows(numbers, [packets(1, 2)], 50)
    batch: dict[str, Column] = {"flow_id": packets(2, 1), "outer_flow_id": packets(NULL, 2), "packets": packets(1, 2)}
    numbers[0].renumber(batch)
    assert {name: column.tolist() for name, column in batch.items() if isinstance(column, np.ndarray)} == {
        "flow_id": [51, 50],
        "outer_flow_id": [NULL, 51],
        "packets": [1, 2],
    }
