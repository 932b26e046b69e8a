"""`Places`: the hash table of open flows, and how the ends of a packet are compared with those of a flow."""

import os
from typing import Any

import cython
import numpy as np

from rustnet.columnar import view
from rustnet.engine.flow import Flow
from rustnet.engine.numbers import MASK32, MASK64, SWEEP_SLACK
from rustnet.engine.packet import Packet

if not cython.compiled:  # compiled, the .pxd has it as an inline function

    def bits64(number: int) -> int:
        """What of a number is left in a machine word."""
        return number & MASK64


MIX_A, MIX_B = (int.from_bytes(os.urandom(8), "little") | 1 for _ in range(2))
"""Odd factors of the hash, random in each process: no capture can be crafted whose flows all collide."""

FIRST_PLACES = 1 << 10
"""Entries of a new table: few, so that a small table stays in the cache; they double as they fill."""

UPPER = MASK64 ^ MASK32


class Places:
    """Hash table with open addressing of the flows that are open in packet time.

    An entry of `places` holds the upper half of a flow's hash and, in its lower half, the flow's slot plus one; 0 is
    empty. So a lookup does not touch the memory of other flows.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Remove all flows."""
        self.flows: list[Any] = []
        """A `Flow` or `None` by slot."""
        self.free: list[int] = []
        self.places: Any = view(np.zeros(FIRST_PLACES, np.uint64))
        self.mask = FIRST_PLACES - 1
        self.due: Any = view(np.zeros(FIRST_PLACES // 2, np.int64))
        """By slot: the earliest time at which its flow may have been idle for too long."""
        self.count = 0
        self.joints = 0
        """Entries that are a flow's second one."""

    def insert(self, flow: Flow) -> None:
        """Give a flow a slot and a table entry."""
        if self.free:
            index = self.free.pop()
            self.flows[index] = flow
        else:
            index = len(self.flows)
            self.flows.append(flow)
            if index >= len(self.due):
                self.grow()
        flow.index = index
        self.schedule_expiry(flow)
        self.probe_insert((flow.hash & UPPER) | (index + 1))
        self.count += 1

    def probe_insert(self, place: int) -> None:
        """Write an entry to the first empty place at or after the one that its hash selects (linear probing)."""
        at = (place >> 32) & self.mask
        while self.places[at]:
            at = (at + 1) & self.mask
        self.places[at] = place

    def delete_entry(self, key: int, flow: Flow) -> None:
        """Delete a flow's entry under hash ``key``; later entries of the probe sequence move up to close the gap."""
        mine = (key & UPPER) | (flow.index + 1)
        mask = self.mask
        gap = (key >> 32) & mask
        while self.places[gap] != mine:
            gap = (gap + 1) & mask
        at = gap
        while True:
            at = (at + 1) & mask
            place = self.places[at]
            if not place:
                break
            if (at - (place >> 32)) & mask >= (at - gap) & mask:
                self.places[gap] = place
                gap = at
        self.places[gap] = 0

    def grow(self) -> None:
        """Double the places, of which at most half are flows' first entries."""
        size = (self.mask + 1) * 2
        places = self.places
        self.places = view(np.zeros(size, np.uint64))
        self.mask = size - 1
        self.due = extended(self.due, size // 2)
        for at in range(size // 2):
            if places[at]:
                self.probe_insert(places[at])

    def schedule_expiry(self, flow: Flow) -> None:
        """Set the time of a flow's next expiry check: it is new, or its timeout has become shorter."""
        self.due[flow.index] = flow.last_ts + flow.timeout + SWEEP_SLACK


def extended(column: Any, size: int) -> Any:
    """A column of 64-bit integers with zeros added up to ``size``."""
    longer = np.zeros(size, np.int64)
    longer[: len(column)] = column
    return view(longer)


if not cython.compiled:  # compiled, the .pxd has the same as inline functions

    def flow_hash(low: int, high: int, rest: int) -> int:
        """Hash of a flow: a number for each end, the others mixed into one."""
        h = bits64(low * MIX_A)
        h = bits64((h ^ (h >> 32) ^ high) * MIX_B)
        h = bits64((h ^ (h >> 32) ^ rest) * MIX_A)
        return h ^ (h >> 32)


def mapped(p: Packet) -> bool:
    """Whether a packet's addresses are IPv4's, whatever its header is."""
    return not (p.src_hi or p.dst_hi) and p.src_lo >> 32 == 0xFFFF and p.dst_lo >> 32 == 0xFFFF


def mixed(address_hi: int, address_lo: int, port: int) -> int:
    """Hash of an end whose address has 128 bits; not unique."""
    number = bits64((bits64(address_hi * MIX_B) ^ address_lo) * MIX_A)
    return number ^ (number >> 32) ^ (port << 16)


def precedes(a_hi: int, a_lo: int, a_port: int, b_hi: int, b_lo: int, b_port: int) -> bool:
    """Whether end a has the smaller (address, port)."""
    if a_hi != b_hi:
        return a_hi < b_hi
    if a_lo != b_lo:
        return a_lo < b_lo
    return a_port < b_port


def matches_ends(flow: Flow, p: Packet, swap: bool) -> bool:
    """Whether a packet is between the flow's ends; with ``swap`` its source is compared with end b."""
    if swap:
        same = flow.a_hi == p.dst_hi and flow.a_lo == p.dst_lo and flow.b_hi == p.src_hi and flow.b_lo == p.src_lo
        return same and flow.a_port == p.dst_port and flow.b_port == p.src_port
    same = flow.a_hi == p.src_hi and flow.a_lo == p.src_lo and flow.b_hi == p.dst_hi and flow.b_lo == p.dst_lo
    return same and flow.a_port == p.src_port and flow.b_port == p.dst_port
