"""Files of alerts: what is wrong with one, own ones in place of shipped ones, and parameters on the command line."""

import re
from pathlib import Path

import pytest

from rustnet.alerts.definitions import SEVERITIES, AlertError, choose, load, read
from rustnet.alerts.page import EXAMPLE, page
from rustnet.errors import UsageError
from rustnet.query import manual
from tests.alerts.scene import KNOWN
from tests.support.paths import ROOT

PROMISED = {
    "new-process", "new-country", "new-service", "scan", "arp-conflict", "clear-text-credentials", "drops",
    "interface-down", "new-listener",
}  # fmt: skip
VALID = """title = "T"
description = "D."
query = "scans"
severity = "low"
keys = ["src_ip"]
summary = "{src_ip}"
"""


def test_every_promised_alert_is_there() -> None:
    assert set(KNOWN) >= PROMISED


@pytest.mark.parametrize("name", KNOWN)
def test_a_shipped_alert_is_whole(name: str) -> None:
    each = KNOWN[name]
    assert each.title[0].isupper()
    assert each.description.endswith(".")
    assert each.severity in SEVERITIES
    assert each.saved is not None
    assert each.folder is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = ", "x.toml: is not TOML"),
        (VALID.replace('query = "scans"\n', ""), "has no key query"),
        (VALID + 'colour = "red"\n', "unknown key colour"),
        (VALID.replace('"low"', '"loud"'), "invalid value of severity"),
        (VALID.replace('["src_ip"]', "[]"), "invalid value of keys"),
        (VALID.replace('["src_ip"]', '["a; DROP"]'), "invalid value of keys"),
        (VALID.replace('"{src_ip}"', '"{src_ip.__class__}"'), "'src_ip.__class__' in 'summary' is not a column"),
        (VALID + "new = true\n", "'new' needs 'time'"),
        (VALID + "new = 1\n", "invalid value of new"),
        (VALID + 'cool-down = "1h"\n', "'again' and 'cool-down' need each other"),
        (VALID + 'warm-up = "soon"\n', "invalid value of warm_up"),
        (VALID + "skip = 3\n", "invalid value of skip"),
        (VALID + "parameters = { ports = [1] }\n", "invalid value of parameters"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, words: str) -> None:
    with pytest.raises(AlertError) as error:
        read("x", text)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_own_alerts_replace_shipped_ones_and_use_own_queries(tmp_path: Path) -> None:
    (tmp_path / "scan.toml").write_text(VALID.replace('"scans"', '"mine"'))
    (tmp_path / "mine.sql").write_text("-- title: T\n-- description: D.\nSELECT 'x' AS src_ip")
    known = load(tmp_path, [tmp_path])
    assert known["scan"].shadows
    assert known["scan"].folder == str(tmp_path)
    assert known["scan"].saved is not None
    assert "'x'" in known["scan"].saved.sql
    assert set(known) == set(KNOWN)


def test_broken_own_alerts_do_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "Bad Name.toml").write_text(VALID)
    (tmp_path / "none.toml").write_text(VALID.replace("scans", "no-such-query"))
    (tmp_path / "wrong.toml").write_text(VALID + "parameters = { ports = 'many' }\n")
    (tmp_path / "large.toml").write_text(VALID + "#" * 20_000)
    (tmp_path / "all.toml").write_text(VALID)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "good.toml").write_text(VALID)
    broken: dict[str, AlertError] = {}
    known = load(tmp_path, [], broken)
    assert set(known) == {*KNOWN, "good"}
    assert set(broken) == {"Bad Name", "none", "wrong", "large", "all", "bytes"}
    assert "there is no saved query 'no-such-query'" in str(broken["none"])
    with pytest.raises(AlertError):
        load(tmp_path)


def test_choosing() -> None:
    assert [each.name for each in choose(KNOWN, ["all"])] == list(KNOWN)
    (one,) = choose(KNOWN, ["scan:ports=50, cool-down=5m,severity=low"])
    assert (one.parameters, one.cool_down, one.severity) == ({"ports": "50"}, 300 * 10**9, "low")
    (one,) = choose(KNOWN, ["new-process:warm-up=0"])
    assert one.warm_up_ns == 0
    changed = {each.name: each for each in choose(KNOWN, ["scan:ports=50", "all"])}
    assert changed["scan"].parameters == {"ports": "50"}
    assert len(changed) == len(KNOWN)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scn", "unknown alert 'scn': did you mean scan?; 'rustnet alerts --list' shows them all"),
        ("all:ports=3", "unknown alert 'all'"),
        ("scan:ports", "alert scan: expected parameters as name=value, not 'ports'"),
        ("scan:ports=x", "query scans: ports='x' is not a whole number"),
        ("scan:colour=red", "query scans: unknown parameter 'colour'"),
        ("scan:severity=loud", "alert scan: invalid severity 'loud'"),
        ("drops:cool-down=1m", "alert drops: its findings are raised once, so it has no cool-down"),
    ],
)
def test_wrong_choices(text: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        choose(KNOWN, [text])
    assert words in str(error.value)


def test_the_page_is_up_to_date() -> None:
    words = "python -m rustnet.alerts.page > docs/alerts.md"
    assert (ROOT / "docs" / "alerts.md").read_text("utf-8") == page(), words


def test_the_example_of_the_page_is_an_alert(tmp_path: Path) -> None:
    (tmp_path / "large-upload.toml").write_text(EXAMPLE)
    each = load(tmp_path)["large-upload"]
    assert each.saved is not None
    assert each.parameters == {"least": "100M"}
    columns = manual.result_columns([each.saved])[each.saved.name]
    assert {*each.keys, each.time, each.flow} <= {column.name for column in columns}


@pytest.mark.parametrize("name", KNOWN)
def test_the_query_of_a_shipped_alert_has_the_columns_that_it_names(name: str) -> None:
    each = KNOWN[name]
    assert each.saved is not None
    columns = {column.name for column in manual.result_columns([each.saved])[each.saved.name]}
    named = {*each.keys, *each.skip, *re.findall(r"{(\w+)}", each.summary), each.time, each.again, each.flow} - {None}
    assert named <= columns
