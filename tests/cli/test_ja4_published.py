"""JA4 as others publish it for public captures; those captures are read where they stand beside the project."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import Run
from tests.support.paths import CORPUS

CAPTURES = CORPUS / "ndpi"

# From nDPI's expected results for its own test captures.
PUBLISHED = {
    "443-curl.pcap": {"t12d6707h2_2955a3196ffa_c83f907a73d3"},
    "chrome.pcap": {"t13d1516h2_8daaf6152771_9b887d9acb53", "t13d1516h2_8daaf6152771_e5627efa2ab1"},
    "dtls.pcap": {
        "dd2i120700_7c0e62f61317_d9dd6182da81",
        "dd2i160700_7c8d7d5e37b2_ea2cef574603",
        "dd3i270600_991e33d7eb74_10f9deb96590",
    },
    "firefox.pcap": {"t13d1813h2_e8a523a41297_84e5d5db657c", "t13d1814h2_e8a523a41297_d267a5f792d4"},
    "quic-29.pcap": {"q13d0512h9_d55e91d5c3b2_cd318bf3b157"},
    "quic-mvfst-22.pcap": {"q00d0109h5_0f2cb44170f4_01b7bde4a3dd"},
    "quic-v2.pcapng": {"q13d0310h3_55b375c5d22e_0a3b52e28cea"},
    "safari.pcap": {"t12d200800_2a284e3b0c56_6e2cce1a33e5", "t12d2010h2_2a284e3b0c56_f05fdf8c38a9"},
}


@pytest.mark.corpus
@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_ja4_of_public_captures(run: Run, tmp_path: Path, name: str) -> None:
    if not (CAPTURES / name).is_file():
        pytest.skip("the public test captures are not beside the project")
    session = str(tmp_path / "s.duckdb")
    assert run("replay", "--no-tui", "--db", session, str(CAPTURES / name)).code == 0
    made = run("query", session, "--format", "jsonl", "--sql", "select ja4 from tls union select ja4 from quic")
    assert made.code == 0, made.err
    found = {json.loads(line)["ja4"] for line in made.out.splitlines()}
    assert found - {None} == PUBLISHED[name]
