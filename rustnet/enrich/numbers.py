"""Addresses as columns of numbers, each number as its upper and lower 64 bits."""

from functools import cache

import numpy as np

from rustnet.columnar import Array
from rustnet.enrich.ranges import Step
from rustnet.enrich.scope import MAPPED, SCOPES, steps


@cache
def _arrays() -> tuple[Array, Array, Array, Array]:
    """Steps within IPv4 and over all numbers: first numbers, and scopes as indices in `SCOPES`."""
    v4 = [(max(first - MAPPED, 0), scope) for first, scope in _steps_from(MAPPED) if first < MAPPED + (1 << 32)]
    return (
        np.array([first for first, _scope in v4], np.uint32),
        np.array([SCOPES.index(scope) for _first, scope in v4], np.uint8),
        np.array([first.to_bytes(16, "big") for first, _scope in steps()], "S16"),
        np.array([SCOPES.index(scope) for _first, scope in steps()], np.uint8),
    )


def _steps_from(number: int) -> list[Step]:
    """Steps from the one that holds at ``number``."""
    every = steps()
    start = max(i for i, (first, _scope) in enumerate(every) if first <= number)
    return list(every[start:])


def is_v4(high: Array, low: Array) -> Array:
    """Which numbers, given as upper and lower 64 bits, are IPv4-mapped."""
    mapped: Array = (high == 0) & (low >> np.uint64(32) == 0xFFFF)
    return mapped


def keys(high: Array, low: Array) -> Array:
    """Numbers as bytes, which have the same order."""
    both = np.empty((len(high), 2), ">u8")
    both[:, 0] = high
    both[:, 1] = low
    return both.view("S16").ravel()


def scopes_of(high: Array, low: Array) -> Array:
    """Scopes of addresses, given as upper and lower 64 bits, as indices in `SCOPES`."""
    first_v4, scope_v4, first, scope = _arrays()
    v4 = is_v4(high, low)
    result = np.empty(len(high), np.uint8)
    result[v4] = scope_v4[np.searchsorted(first_v4, low[v4].astype(np.uint32), "right") - 1]
    others = ~v4
    result[others] = scope[np.searchsorted(first, keys(high[others], low[others]), "right") - 1]
    return result
