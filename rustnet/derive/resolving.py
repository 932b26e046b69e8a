"""Names of addresses by reverse DNS, through the system's resolver: only when somebody asks for it.

Whoever runs the name servers learns which addresses are looked up. So it is done for global addresses alone, unless all
are asked for, and the answers are kept as rows of ``names`` with the time of the question. `addresses.resolved_at` is
that time also where there was no name, and within a day the same address is not asked again.
"""

import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from rustnet.attribute.stage import drop, run
from rustnet.columnar import Column, texts
from rustnet.i18n import _
from rustnet.store.arrow import ArrowStream

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Which = Literal["global", "all"]
"""Which addresses are asked for: the global ones, or those of local networks, too."""
Resolver = Callable[[str], str | None]
"""Returns the name of an address, or None if it has none; raises `OSError` if that could not be learned."""

MOST = 10_000
"""Addresses that are asked for in one run: those with most bytes."""
SECONDS = 120.0
"""Time that all questions may take together."""
THREADS = 32
"""Questions at a time."""
KEPT_SECONDS = 86_400
"""Time for which an answer counts as new."""
NOT_HOSTS = ("multicast", "broadcast", "unspecified")
"""Scopes that are never asked for."""

_NAME = re.compile(r"(?=.{1,253}$)[\w-]{1,63}(\.[\w-]{1,63})*", re.ASCII)

_WANTED = f"""
SELECT a.ip FROM addresses a LEFT JOIN talkers t ON t.ip = a.ip
WHERE CASE WHEN $all THEN a.scope NOT IN {NOT_HOSTS} ELSE a.scope = 'global' END
    AND (a.resolved_at IS NULL OR epoch_ns(a.resolved_at) < $since)
ORDER BY t.bytes_sent + t.bytes_received DESC NULLS LAST, a.num"""  # noqa: S608 -- our own words

_ANSWERS = "CREATE OR REPLACE TEMP TABLE own_resolved AS FROM own_answers"
_ASKED = "UPDATE addresses SET resolved_at = make_timestamp_ns($now) FROM own_resolved r WHERE addresses.ip = r.ip"
_FORGET = "DELETE FROM names WHERE source = 'ptr' AND ip IN (SELECT ip FROM own_resolved)"
_STORE = """
INSERT INTO names BY NAME
SELECT min(f.capture_id) AS capture_id, r.ip, r.name, 'ptr' AS source, make_timestamp_ns($now) AS ts
FROM own_resolved r JOIN (
    SELECT capture_id, src_ip AS ip FROM flows UNION ALL SELECT capture_id, dst_ip FROM flows) f ON f.ip = r.ip
WHERE r.name IS NOT NULL GROUP BY r.ip, r.name ORDER BY r.ip"""


class Resolved(NamedTuple):
    """Result of a run."""

    names: int
    """Addresses that have a name."""
    note: str
    """A sentence about the run."""


def by_system(ip: str) -> str | None:
    """Ask the system's resolver for the name of an address."""
    try:
        return socket.getnameinfo((ip, 0), socket.NI_NAMEREQD)[0]
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            return None
        raise


def valid(name: str | None) -> str | None:
    """A name in lower case without the final dot; None if it is none, whatever a name server said."""
    name = (name or "").rstrip(".").lower()
    return name if _NAME.fullmatch(name) else None


def resolve(
    con: "DuckDBPyConnection", which: Which, resolver: Resolver = by_system, seconds: float = SECONDS
) -> Resolved:
    """Ask for the names of the session's addresses, and store the answers within the caller's transaction."""
    now = time.time_ns()
    values = {"all": which == "all", "since": now - KEPT_SECONDS * 1_000_000_000}
    wanted = [ip for (ip,) in run(con, _WANTED, values)]
    asked = wanted[:MOST]
    answers, failed = _ask(asked, resolver, seconds)
    if answers:
        _store(con, answers, now)
    named = sum(name is not None for name in answers.values())
    words = _("asked for the names of {asked:,} addresses: {named:,} have one, {nameless:,} have none")
    sentences = [words.format(asked=len(asked), named=named, nameless=len(answers) - named)]
    if failed:
        sentences.append(_("no answer for {count:,}").format(count=failed))
    if len(answers) + failed < len(asked):
        words = _("not asked for {count:,}: {seconds:g} seconds were over")
        sentences.append(words.format(count=len(asked) - len(answers) - failed, seconds=seconds))
    if len(wanted) > len(asked):
        sentences.append(_("not asked for {count:,} with fewer bytes").format(count=len(wanted) - len(asked)))
    return Resolved(named, "; ".join(sentences))


def _ask(addresses: Sequence[str], resolver: Resolver, seconds: float) -> tuple[dict[str, str | None], int]:
    """Names of addresses as far as there was an answer in time, and how many questions failed.

    A question cannot be taken back: threads that still wait at the end are left to the end of the process.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    answered: queue.SimpleQueue[tuple[str, str | None, bool]] = queue.SimpleQueue()
    for address in addresses:
        waiting.put(address)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                address = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                answered.put((address, valid(resolver(address)), True))
            except (OSError, UnicodeError):
                answered.put((address, None, False))

    for i in range(min(THREADS, len(addresses))):
        threading.Thread(target=work, name=f"rustnet-resolver-{i}", daemon=True).start()
    answers: dict[str, str | None] = {}
    failed = 0
    end = time.monotonic() + seconds
    while len(answers) + failed < len(addresses):
        try:
            address, name, known = answered.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        if known:
            answers[address] = name
        else:
            failed += 1
    over.set()
    return answers, failed


def _store(con: "DuckDBPyConnection", answers: dict[str, str | None], now: int) -> None:
    columns: dict[str, Column] = {"ip": texts(list(answers)), "name": texts(list(answers.values()))}
    stream = ArrowStream([columns])
    try:
        con.register("own_answers", stream)
        run(con, _ANSWERS)
        con.unregister("own_answers")  # after an error, the transaction's end does it
    finally:
        stream.close()
    run(con, _ASKED, {"now": now})
    run(con, _FORGET)
    run(con, _STORE, {"now": now})
    drop(con, "own_resolved")
