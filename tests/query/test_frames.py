"""Results as frames of pandas, Arrow and Polars, and as tables of notebooks."""

import sys

import pytest

from rustnet.errors import RustnetError
from rustnet.query.session import FileSession, Session


@pytest.fixture(scope="module")
def opened(con: FileSession) -> Session:
    return con


def test_frames_need_their_library(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    result = opened.sql("SELECT 1 AS a")
    for library, method, advice in (("pandas", "df", r"rustnet\[notebook\]"), ("pyarrow", "arrow", "pyarrow"),
                                    ("polars", "pl", "polars")):  # fmt: skip
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(RustnetError, match=f"{library} is not installed; install it with 'pip install {advice}'"):
            getattr(result, method)()


TYPES = """SELECT make_timestamp_ns(1714557600123456789) AS t, 1::UTINYINT AS a, NULL::BIGINT AS b, 'x' AS c, true AS d,
    1.5::DOUBLE AS e, (1::UHUGEINT << 100) AS h, [1, 2] AS l, 'tcp' AS protocol, 1.25 AS m, 7::HUGEINT AS s,
    TIMESTAMP '2024-05-01 10:00:00.5' AS u, ['a'] AS w, '\\x01'::BLOB AS x, DATE '2024-05-01' AS y,
    'ee0f9de8-8f0a-4a4c-9e0b-3a9a9b9a0a0a'::UUID AS z
UNION ALL SELECT NULL, NULL, 9007199254740993, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL"""


def test_pandas_keeps_nanoseconds_and_integers(opened: Session) -> None:
    pandas = pytest.importorskip("pandas")
    frame = opened.sql(TYPES).df()
    assert str(frame["t"].dtype) == "datetime64[ns, UTC]"
    assert frame["t"][0].value == 1714557600123456789
    assert frame["t"][1] is pandas.NaT
    assert (str(frame["u"].dtype), frame["u"][0].isoformat()) == (
        "datetime64[us, UTC]",
        "2024-05-01T10:00:00.500000+00:00",
    )
    assert [str(frame[name].dtype) for name in "abdmes"] == ["UInt8", "Int64", "boolean", "float64", "float64", "Int64"]
    assert frame["b"][1] == 9007199254740993
    assert (frame["h"][0], frame["m"][0], frame["s"][0]) == (1 << 100, 1.25, 7)
    assert list(frame["c"]) == ["x", None]
    assert len(opened.flows().df()) == len(opened.flows().rows)
    assert list(opened.sql("SELECT 1 AS a WHERE false").df().columns) == ["a"]


def test_words_are_categories_and_take_less_memory(opened: Session) -> None:
    pytest.importorskip("pandas")
    sql = "SELECT f.protocol, f.state, f.src_ip FROM flows f, range(1000)"
    frame = opened.sql(sql).df()
    assert [str(dtype) for dtype in frame.dtypes] == ["category", "category", "object"]
    plain = frame.astype({"protocol": "object", "state": "object"})
    used = frame.memory_usage(deep=True)
    assert used["protocol"] < plain.memory_usage(deep=True)["protocol"] / 8
    assert (
        len({id(text) for text in frame["src_ip"].dropna()}) == frame["src_ip"].nunique()
    )  # equal texts are one object
    flows = opened.flows().df()
    assert str(flows["app"].dtype) == "category"
    counts = flows.groupby("protocol", observed=True)["bytes"].sum()
    assert (
        int(counts["tcp"])
        == opened.sql("SELECT sum(src_bytes + dst_bytes) FROM flows WHERE protocol = 'tcp'").rows[0][0]
    )


def test_sums_larger_than_64_bits_stay_exact(opened: Session) -> None:
    pytest.importorskip("pandas")
    sql = "SELECT 9223372036854775807::HUGEINT + n AS s FROM range(2) t(n)"
    assert list(opened.sql(sql).df()["s"]) == [2**63 - 1, 2**63]
    pytest.importorskip("polars")
    assert opened.sql(sql).pl()["s"].to_list() == [str(2**63 - 1), str(2**63)]


def test_arrow_and_polars_keep_them_too(opened: Session) -> None:
    pytest.importorskip("pyarrow")
    table = opened.sql(TYPES).arrow()
    assert table["t"].cast("int64").to_pylist() == [1714557600123456789, None]
    assert table["b"].to_pylist() == [None, 9007199254740993]
    assert (table["h"].to_pylist(), table["w"].to_pylist()) == ([str(1 << 100), None], [["a"], None])
    empty = opened.sql(f"SELECT * FROM ({TYPES}) WHERE false").arrow()
    changing = {"m"}  # decimals: Arrow infers their width from the values
    assert [f for f in empty.schema if f.name not in changing] == [f for f in table.schema if f.name not in changing]
    pytest.importorskip("polars")
    frame = opened.sql(TYPES).pl()
    assert frame["b"].to_list() == [None, 9007199254740993]
    assert frame["t"].dt.timestamp("ns").to_list() == [1714557600123456789, None]
    assert (str(frame["u"].dtype), frame["w"].to_list()) == ("Datetime(time_unit='us', time_zone='UTC')", [["a"], None])
    assert (frame["h"].to_list(), frame["s"].to_list()) == ([str(1 << 100), None], [7, None])


def test_notebooks_show_text_as_text(opened: Session) -> None:
    shown = opened.sql("SELECT '<script>' || chr(27) || chr(8238) AS a, make_timestamp_ns(0) AS t")._repr_html_()
    assert "&lt;script&gt;\\x1b\\u202e" in shown
    assert "<script>" not in shown
    assert "1970-01-01 00:00:00.000000Z" in shown
    named = opened.sql("SELECT 1 AS \"<b onclick='x'>\"")._repr_html_()
    assert "<b" not in named
    assert "&lt;b onclick=&#x27;x&#x27;&gt;" in named
    long = opened.sql("SELECT '\"' || lpad('', 5000, 'x') AS a")._repr_html_()
    assert len(long) < 2000
    assert 'title="&quot;xxx' in long


def test_notebooks_show_sizes_times_and_shares_readably(opened: Session) -> None:
    shown = opened.sql("SELECT 1500000 AS bytes, 0.25 AS rtt_ms, 12345 AS packets, 443 AS dst_port, 18 AS src_flags, "
                       "true AS complete, [1, 2] AS l, NULL AS never")._repr_html_()  # fmt: skip
    for text in ('title="1,500,000">1.5 MB<', ">250.0 µs<", ">12,345<", ">443<", ">SA<", ">yes<", ">1, 2<"):
        assert text in shown, text
    assert "never" not in shown
    assert "1 row; 1 column without a value here is left out" in shown


def test_notebooks_say_what_is_not_shown(opened: Session) -> None:
    shown = opened.sql("SELECT * FROM range(500)", limit=60)._repr_html_()
    assert "the first 60 rows; there are more; 50 of them are shown" in shown
    assert shown.count("<tr>") == 51
    wide = opened.sql("SELECT " + ", ".join(f"1 AS a{n}" for n in range(30)))._repr_html_()
    assert "6 more columns: a24, a25, a26, a27, a28, a29" in wide
    assert repr(opened.sql("SELECT * FROM range(9)", limit=2)) == "<ResultSet: first 2 rows, 1 column: range>"
    assert "0 rows" in opened.sql("SELECT 1 AS a WHERE false")._repr_html_()
