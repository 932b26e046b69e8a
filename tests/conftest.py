"""Fixtures that every folder of tests may use, and how thoroughly properties are tried.

RUSTNET_HYPOTHESIS=fast (what CI runs) tries the same examples on every run, so that a failure repeats; ``deep`` tries
other ones each time, and twenty times as many.
"""

import gc
import os
import resource
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.effort import DEEP
from tests.support.uncompiled import pure_tree

__all__ = ["pure_tree"]

settings.register_profile("fast", derandomize=True, deadline=None)
settings.register_profile("deep", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("deep" if DEEP else "fast")

os.environ["RUSTNET_CONFIG"] = ""  # commands that tests run do not read the configuration of this machine
os.environ["LANGUAGE"] = "C"  # nor do they speak its language


@pytest.fixture(autouse=True, scope="module")
def usual_memory() -> Iterator[None]:
    """A statement that ended left no limit on this process's memory: the next tests would run short of it."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    yield
    gc.collect()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
