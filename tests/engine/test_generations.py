"""The table of generations against a dictionary: any hashes, growth, and the bound at which counting starts anew."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.engine.generations import FIRST_SIZE, MAX_SIZE, Generations
from tests.support.effort import examples

HASHES = st.one_of(
    st.integers(0, 2**64 - 1),
    st.sampled_from([0, 1, FIRST_SIZE, 2 * FIRST_SIZE, 2**63, 2**64 - 1, FIRST_SIZE - 1]),
)


@given(st.lists(st.tuples(HASHES, st.integers(0, 2**32 - 2)), max_size=200))
@settings(max_examples=examples(100))
def test_it_answers_as_a_dictionary_does(puts: list[tuple[int, int]]) -> None:
    table = Generations()
    known: dict[int, int] = {}
    for flow_hash, count in puts:
        assert table.get(flow_hash) == known.get(flow_hash or 1, 0)
        table.put(flow_hash, count)
        known[flow_hash or 1] = count
    assert all(table.get(flow_hash) == count for flow_hash, count in known.items())
    assert table.count == len(known)


def test_it_grows_up_to_its_bound_and_then_starts_anew() -> None:
    table = Generations()
    most = -(-MAX_SIZE * 2 // 3)
    for n in range(1, most + 1):
        table.put(n * 0x9E3779B97F4A7C15 % 2**64, n)
    assert table.size == MAX_SIZE
    assert table.count == most
    assert table.get(7 * 0x9E3779B97F4A7C15 % 2**64) == 7
    table.put(5, 1)
    assert (table.size, table.count, table.get(5)) == (FIRST_SIZE, 1, 1)
    assert table.get(7 * 0x9E3779B97F4A7C15 % 2**64) == 0
