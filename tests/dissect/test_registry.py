import sys

import pytest

from rustnet.dissect.framework.conversation import Dissector
from rustnet.dissect.registry import DISSECTORS, tables
from rustnet.records import columns, field_docs, table_name
from rustnet.store.tables import CORE_TABLES
from tests.dissect.samples import SAMPLES

EACH = pytest.mark.parametrize("dissector", DISSECTORS, ids=lambda d: d.name)


def test_names_are_unique() -> None:
    names = [d.name for d in DISSECTORS]
    assert len(names) == len(set(names))
    assert all(n == n.lower() for n in names)


def test_tables_are_unique() -> None:
    names = [table_name(t) for t in (*CORE_TABLES, *tables())]
    assert len(names) == len(set(names))


def test_a_column_has_one_type_over_all_protocols() -> None:
    known: dict[str, tuple[str, str]] = {}
    for table in tables():
        for column in columns(table):
            first = known.setdefault(column.name, (column.sql_type, table_name(table)))
            assert column.sql_type == first[0], f"{column.name} in {table_name(table)} and {first[1]}"


@EACH
def test_records_are_documented(dissector: Dissector) -> None:
    for table in dissector.records:
        assert table.__doc__
        undocumented = [c.name for c in columns(table) if not field_docs(table).get(c.name)]
        assert not undocumented
        empty = table()  # every field has a default
        assert [c.name for c in columns(table) if not hasattr(empty, c.name)] == []


@EACH
def test_the_specification_is_named(dissector: Dissector) -> None:
    module = sys.modules[dissector.probe.__module__]
    assert any(word in (module.__doc__ or "") for word in ("RFC", "IEEE"))
    assert "(" in dissector.title


@EACH
def test_every_dissector_has_samples_that_its_probe_believes(dissector: Dissector) -> None:
    assert SAMPLES[dissector.name]


def test_no_samples_without_a_dissector() -> None:
    assert set(SAMPLES) == {d.name for d in DISSECTORS}
