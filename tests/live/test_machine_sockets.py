"""Changes of a table of sockets, which a recorder's thread changes meanwhile."""

import json
import threading
from collections import Counter
from typing import Any

import pytest

from rustnet.ingest.machine_rows import MachineRows
from rustnet.probe import machine_sockets
from rustnet.probe.ends import End
from rustnet.probe.machine_sockets import SocketChanges
from rustnet.probe.sockets import Entry, Holding, SocketTable, new_entry

HERE: End = (bytes((10, 0, 0, 1)), 443)
NOWHERE: End = (bytes(4), 0)
Line = dict[str, Any]


def table() -> SocketTable:
    made = SocketTable(0, Counter())
    made.now = 1000
    return made


def entry(number: int, state: str = "ESTABLISHED", now: int = 1000) -> Entry:
    listening = state == "LISTEN"
    remote = NOWHERE if listening else (bytes((192, 0, 2, number % 250)), 1024 + number % 60_000)
    return new_entry("TCP", HERE, remote, state, now)


def hold(one: Entry, pid: int, first: int = 1000) -> None:
    one.holders[pid, 5] = Holding({"pid": pid, "process_name": f"p{pid}"}, first, first)


def test_a_life_of_a_socket() -> None:
    lines: list[Line] = []
    changes, known = SocketChanges(lines.append), table()
    known.entries["old"] = entry(1, "LISTEN")
    changes.look(known)
    known.now = 2000
    changes.look(known)
    assert [(line["change"], line["before"]) for line in lines] == [("present", None)], "nothing changed since"
    one = known.entries["new"] = entry(2, "SYN_SENT", now=2500)
    known.now = 3000
    changes.look(known)
    one.keys["state"], one.inode = "ESTABLISHED", 77
    one.keys["socket_uid"] = 1000
    hold(one, 30)
    hold(one, 20, first=900)
    changes.look(known)
    del one.holders[20, 5]
    changes.look(known)
    one.gone = 4000
    changes.look(known)
    changes.look(known)
    own = [line for line in lines if line["remote"] is not None]
    assert [(line["change"], line["state"], line.get("pid"), line.get("uid"), line.get("inode")) for line in own] == [
        ("opened", "SYN_SENT", None, None, None),
        ("changed", "ESTABLISHED", 20, 1000, 77),
        ("changed", "ESTABLISHED", 30, 1000, 77),
        ("closed", "ESTABLISHED", 30, 1000, 77),
    ]
    assert (own[0]["at"], own[0]["before"]) == (2500, 2000)
    assert own[1]["holders"] == [["p20", 20], ["p30", 30]], "the one that has held it longest comes first"
    assert {line["socket"] for line in own} == {2}


def test_listeners_come_first_where_there_is_no_room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_sockets, "MOST_CHANGES", 10)
    lines: list[Line] = []
    changes, known = SocketChanges(lines.append), table()
    known.entries.update((number, entry(number)) for number in range(30))
    known.entries["listener"] = entry(99, "LISTEN")
    changes.look(known)
    assert lines[0]["listening"]
    assert [line["record"] for line in lines] == ["socket"] * 11 + ["machine_gap"]
    assert (lines[-1]["reason"], lines[-1]["count"]) == ("limit", 20)
    lines.clear()
    for _ in range(2):
        changes.look(known)
    assert [line["change"] for line in lines] == ["opened"] * 20, "the others follow"


def test_very_many_sockets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_sockets, "MOST_SOCKETS", 10)
    lines: list[Line] = []
    changes, known = SocketChanges(lines.append), table()
    for turn in range(3):
        known.entries = {(turn, number): entry(number) for number in range(15)}
        changes.look(known)
    assert len(changes.known) == 10
    assert [line["count"] for line in lines if line["record"] == "machine_gap"] == [5]


def test_another_thread_changes_the_table() -> None:
    rows, known, ended = MachineRows(1), table(), threading.Event()

    def record() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            one = known.entries[number] = entry(number)
            hold(one, number)
            if number > 500:
                known.entries.pop(number - 500).holders.clear()

    changes = SocketChanges(lambda line: rows.add(json.loads(json.dumps(line))))
    thread = threading.Thread(target=record)
    thread.start()
    try:
        for _ in range(25):
            changes.look(known)
    finally:
        ended.set()
        thread.join()
    known.entries.clear()
    changes.look(known)
    assert changes.known == {}
    assert rows.invalid == 0
