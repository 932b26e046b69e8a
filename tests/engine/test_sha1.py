"""SHA-1 of short texts against the library's."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.engine.sha1 import LONGEST, ShortSha1


@given(st.lists(st.binary(max_size=LONGEST), min_size=1, max_size=4))
def test_like_the_library(texts: list[bytes]) -> None:
    hasher = ShortSha1()
    for text in texts:
        hasher.hash(bytearray(text))
        assert hasher.digest == hashlib.sha1(text, usedforsecurity=False).digest()


def test_more_than_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="block"):
        ShortSha1().hash(bytearray(LONGEST + 1))
