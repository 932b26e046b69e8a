"""What is written twice, for compiled and for uncompiled modules, is the same in both places."""

import re
from pathlib import Path

from rustnet.engine import columns, numbers

LARGEST = 1 << 31
"""C's enums hold smaller numbers only."""


def enums(module: str) -> list[dict[str, int]]:
    """Names and values of each enum in a .pxd file; a name without a value counts on from the one before."""
    text = Path(str(numbers.__file__)).with_name(f"{module}.pxd").read_text("utf-8")
    found = []
    for body in re.findall(r"^cdef enum:[^\n]*\n((?:    .+\n)+)", text, re.MULTILINE):
        values: dict[str, int] = {}
        for name, value in re.findall(r"([A-Z][A-Z0-9_]*)(?: = (\w+))?", body):
            values[name] = int(value, 0) if value else len(values)
        found.append(values)
    return found


def test_numbers() -> None:
    (declared,) = enums("numbers")
    assert len(declared) > 100
    assert {name: getattr(numbers, name) for name in declared} == declared
    assert max(declared.values()) < LARGEST


def test_positions_of_flow_columns() -> None:
    expected = [columns.INTEGERS, columns.WORDS, columns.TIMES]
    assert [list(names) for names in enums("columns")] == [[name.upper() for name in names] for names in expected]
    for src, dst in zip(columns.INTEGERS, columns.INTEGERS[1:], strict=False):
        if src.startswith("src_"):
            assert dst == "dst_" + src[4:]


def test_history_letters_and_combined_flags() -> None:
    letters = (numbers.FLIPPED, numbers.DATA, numbers.GAP, numbers.RETRANSMISSION, numbers.ZERO_WINDOW)
    assert bytes(letters) == b"^DGTW"
    assert numbers.FIN_RST == numbers.FIN | numbers.RST
    assert numbers.SYN_ACK == numbers.SYN | numbers.ACK
    assert numbers.FIN_SYN_RST == numbers.FIN | numbers.SYN | numbers.RST
