"""Names of fields of formats are no originals; their values are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.export.field_names import FIELD_NAMES, without_field_names
from tests.export import eve_fields, test_ecs, test_har
from tests.query.conftest import BEGIN, Rows
from tests.support.command_line import Run


def names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name.lstrip("@_")
            yield from names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names(inner)


def test_all_names_are_listed() -> None:
    for fields in (eve_fields.FIELDS, eve_fields.NEWER, test_ecs.FIELDS, test_har.ENTRY):
        assert not set(names(fields)) - FIELD_NAMES


def test_only_names_of_fields_are_left_out() -> None:
    event = {"organization": "organization", "x": {"serial": ['"serial":', "product"]}, "_has_cookie": 1}
    left = without_field_names(json.dumps(event))
    assert left.count("organization") == left.count("serial") == left.count("product") == 1
    assert '"x"' in left
    assert "has_cookie" not in left


@pytest.mark.parametrize("policy", ["share", "strict", "timing-only"])
def test_a_redacted_export_is_clean(
    monkeypatch: pytest.MonkeyPatch, writable: Path, tmp_path: Path, policy: str
) -> None:
    """Texts of the session are words that these formats have as names of fields."""
    with duckdb.connect(str(writable)) as con:
        new = Rows(con)
        common = {"capture_id": 1, "flow_id": 1, "ts": BEGIN, "packet": 1}
        new.insert(
            "http", **common, method="GET", host="organization.serial-secret.example", uri="/orchestrator/subnet"
        )
        new.insert("tls", **common, sni="hassh.disposition-secret.example", subject="CN=labels,O=organization")
    target = tmp_path / "o"
    run = Run(monkeypatch)
    result = run("export", writable, "-o", target, "--eve", "--har", "--ecs", "--redact", policy,
                 "--redact-key", tmp_path / "key")  # fmt: skip
    assert result.code == 0, result.err
    for name in ("eve.json", "http.har", "ecs.jsonl"):
        text = (target / name).read_text("utf-8")
        assert "secret" not in text
        assert text
    for line in (target / "eve.json").read_text("utf-8").splitlines():
        assert eve_fields.faults(json.loads(line)) == []
    for line in (target / "ecs.jsonl").read_text("utf-8").splitlines():
        assert test_ecs.faults(json.loads(line)) == []
    for each in json.loads((target / "http.har").read_text("utf-8"))["log"]["entries"]:
        assert test_har.faults(each, test_har.ENTRY) == []
