"""Packet counts of public captures, against those that tshark gave."""

import json

import pytest

from rustnet.sources.files import FileSource
from tests.support.paths import SHARED

FACTS = SHARED / "oracle" / "facts.json"


@pytest.mark.corpus
@pytest.mark.skipif(not FACTS.exists(), reason="the corpus is not here")
def test_counts_equal_those_of_tshark() -> None:
    wrong = []
    for name, facts in json.loads(FACTS.read_text()).items():
        source = FileSource(str(SHARED / "corpus" / name))
        count = sum(frames.count for frames in source.batches())
        # tshark leaves with an error where a file is damaged: then damage has to be said here as well.
        if count != facts["packets"] or source.info.complete != (facts["tshark_exit"] == 0):
            wrong.append((name, count, facts["packets"], source.damage))
    assert not wrong
