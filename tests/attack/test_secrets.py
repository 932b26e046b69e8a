"""What is secret in traffic, in sidecars, logs and comments is never stored; what only looks like it is.

Each case is a conversation with a secret and a decoy, an innocent text in a place of the same kind. All conversations
are one capture, which is replayed once with a sidecar and logs; then every text of the session is searched.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.attack.secret_cases import Case, b64
from tests.attack.secret_talks import CASES
from tests.support.packets import ACK, PSH, START, SYN, tcp_frame, udp_frame
from tests.support.pcapng import end as end_of_options
from tests.support.pcapng import epb, idb, option, shb
from tests.support.sessions import ReplayedSession, replay


def secret_of(n: int) -> bytes:
    """The secret of a case, which nothing else contains."""
    return b"Sx%03dqWertY" % n


def decoy_of(n: int) -> bytes:
    """The innocent text of a case."""
    return b"dy%03dinnocent" % n


def frames(case: Case, n: int) -> Iterator[bytes]:
    """A case as packets."""
    client, server = (f"10.1.{n >> 8}.{n & 255}", 40_000), (f"192.0.2.{n % 250 + 1}", case.port)
    steps = case.steps(secret_of(n), decoy_of(n))
    if case.udp:
        for who, data in steps:
            yield udp_frame(client, server, data) if who == ">" else udp_frame(server, client, data)
        return
    mine, theirs = 1000, 5000
    if case.opened:
        yield tcp_frame(client, server, mine, 0, SYN)
        yield tcp_frame(server, client, theirs, mine + 1, SYN | ACK)
        mine, theirs = mine + 1, theirs + 1
        yield tcp_frame(client, server, mine, theirs, ACK)
    for who, data in steps:
        if who == ">":
            yield tcp_frame(client, server, mine, theirs, PSH | ACK, data)
        elif who == "<":
            yield tcp_frame(server, client, theirs, mine, PSH | ACK, data)
        if who in "!>":
            mine += len(data)
        else:
            theirs += len(data)
    yield tcp_frame(client, server, mine, theirs, 1 | ACK)
    yield tcp_frame(server, client, theirs, mine + 1, 1 | ACK)


LOGGED = [
    "mysql -uroot -p{} {}", "sshpass -p {} ssh {}", "curl -u bob:{} https://{}/", "curl -H Authorization: Bearer {} https://{}/",
    "env PGPASSWORD={} psql -h {}", "wget --password={} https://{}/", "net use \\\\{1}\\x /user:b {0}",
    "psexec \\\\{1} -u b -p {0} cmd",
    "redis-cli -h {1} -a {0}", "openssl rsa -in {1} -passin pass:{0}", "git clone https://b:{}@h/{}",
    "app --token {} --name {}",
    "sh -c 'mysql -p{} -h {}'", "smbclient -U b%{} //{}/s", "ldapsearch -w {} -H ldap://{}", "docker login -p {} {}",
]  # fmt: skip
FIRST_LOGGED = len(CASES)
FIRST_COMMENT = FIRST_LOGGED + 3 * len(LOGGED)
COMMENTS = [
    "tcpdump -i {1}; mysql -p{0}",
    "recorded by curl -u bob:{} https://{}/",
    "password={} on {}",
    "{1}: Bearer {0}",
    "Args: mysql -p{} {}",
]


def spoken(template: str, n: int) -> str:
    """A command line with the secret and the decoy of a number."""
    return template.format(secret_of(n).decode(), decoy_of(n).decode())


def written(folder: Path) -> tuple[Path, list[str]]:
    """The capture, its sidecar and the logs."""
    packets = [frame for n, case in enumerate(CASES) for frame in frames(case, n)]
    comments = [option(1, spoken(template, FIRST_COMMENT + n).encode()) for n, template in enumerate(COMMENTS)]
    described = [
        option(code, spoken("mysql -p{} {}", FIRST_COMMENT + len(COMMENTS) + code).encode()) for code in (2, 3)
    ]
    capture = folder / "all.pcapng"
    blocks = [shb(options=b"".join(comments) + end_of_options()), idb(options=b"".join(described) + end_of_options())]
    blocks += [epb(frame, ts=START // 1000 + i * 1000) for i, frame in enumerate(packets)]
    capture.write_bytes(b"".join(blocks))
    return capture, [str(write(folder, n)) for n, write in enumerate((sidecar, sysmon, auditd))]


def ends(n: int) -> tuple[str, str]:
    """Local and remote end of a case's flow."""
    return f"10.1.{n >> 8}.{n & 255}:40000", f"192.0.2.{n % 250 + 1}:{CASES[n].port}"


STREAMS = [n for n, case in enumerate(CASES) if not case.udp]


def sidecar(folder: Path, block_: int) -> Path:
    """A sidecar of RustNet's form, which rustnet's recorder did not write."""
    path = folder / "foreign.jsonl"
    with path.open("w") as file:
        for i, template in enumerate(LOGGED):
            local, remote = ends(STREAMS[i])
            line = spoken(template, FIRST_LOGGED + block_ * len(LOGGED) + i)
            file.write(json.dumps({
                "protocol": "TCP", "local_addr": local, "remote_addr": remote, "pid": 500 + i, "process_name": f"p{i}",
                "cmdline": line, "first_seen": START // 10**9 - 5, "last_seen": START // 10**9 + 60,
                "sidecar_version": 1,
            }) + "\n")  # fmt: skip
    return path


def sysmon(folder: Path, block_: int) -> Path:
    """Osquery's table of sockets and processes, as JSON lines."""
    path = folder / "osquery.json"
    rows = []
    for i, template in enumerate(LOGGED):
        local, remote = (end.rsplit(":", 1) for end in ends(STREAMS[40 + i]))
        line = spoken(template, FIRST_LOGGED + block_ * len(LOGGED) + i)
        rows.append({"name": "socket_events", "action": "added", "unixTime": START // 10**9, "columns": {
            "action": "connect", "pid": str(700 + i), "path": f"/bin/q{i}", "family": "2", "protocol": "6",
            "local_address": local[0],
            "local_port": local[1], "remote_address": remote[0], "remote_port": remote[1], "time": str(START // 10**9),
            "cmdline": line, "success": "1"}})  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def auditd(folder: Path, block_: int) -> Path:
    """A raw audit log; its titles are in hexadecimal, with zeros between the words."""
    path = folder / "audit.log"
    with path.open("w") as file:
        for i, template in enumerate(LOGGED):
            remote, port = ends(STREAMS[80 + i])[1].rsplit(":", 1)
            line = spoken(template, FIRST_LOGGED + block_ * len(LOGGED) + i)
            address = "0200" + f"{int(port):04X}" + "".join(f"{int(part):02X}" for part in remote.split(".")) + "0" * 16
            stamp = f"msg=audit({START // 10**9}.000:{900 + i}):"
            file.write(
                f"type=SYSCALL {stamp} arch=c000003e syscall=42 success=yes exit=0 pid={900 + i} "
                f'comm="r{i}" exe="/bin/r{i}"\n'
                f"type=SOCKADDR {stamp} saddr={address}\n"
                f"type=PROCTITLE {stamp} proctitle={line.replace(' ', chr(0)).encode().hex().upper()}\n"
            )
    return path


@dataclass(frozen=True)
class Stored:
    """A session with all its texts in lower case."""

    session: ReplayedSession
    everything: str


def texts_of(session: ReplayedSession) -> str:
    """Every value of every table, as text."""
    tables = session.ask(
        "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
    )
    return "\n".join(str(row) for (table,) in tables for row in session.ask(f'SELECT * FROM "{table}"'))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """The session of all cases."""
    folder = tmp_path_factory.mktemp("secrets")
    capture, sidecars = written(folder)
    session = replay(folder / "s.duckdb", capture, sidecars=tuple(sidecars))
    return Stored(session, texts_of(session).lower())


def forms(secret: bytes) -> list[str]:
    """A secret, and the middle of what it is in Base64 at each of the three offsets."""
    shifted = [b64(b"x" * at + secret)[4:-4].decode() for at in range(3)]
    return [form.lower() for form in (secret.decode(), secret.decode()[:8], *shifted)]


def seen(stored_: Stored, secret: bytes) -> list[str]:
    """Where a secret occurs, for a message."""
    text = stored_.everything
    return [text[max(0, text.find(form) - 300) : text.find(form) + 60] for form in forms(secret) if form in text]


@pytest.mark.parametrize("n", range(len(CASES)), ids=[case.name for case in CASES])
def test_a_conversation_leaves_its_secret_out(stored: Stored, n: int) -> None:
    assert not seen(stored, secret_of(n))
    if CASES[n].decoy:
        assert decoy_of(n).decode() in stored.everything


@pytest.mark.parametrize("n", range(3 * len(LOGGED)))
def test_a_command_line_leaves_its_secret_out(stored: Stored, n: int) -> None:
    assert not seen(stored, secret_of(FIRST_LOGGED + n))
    assert decoy_of(FIRST_LOGGED + n).decode() in stored.everything


@pytest.mark.parametrize("n", range(len(COMMENTS)))
def test_a_comment_leaves_its_secret_out(stored: Stored, n: int) -> None:
    assert not seen(stored, secret_of(FIRST_COMMENT + n))
    assert decoy_of(FIRST_COMMENT + n).decode() in stored.everything


def test_the_description_of_an_interface_leaves_its_secret_out(stored: Stored) -> None:
    for code in (2, 3):
        assert not seen(stored, secret_of(FIRST_COMMENT + len(COMMENTS) + code))
        assert decoy_of(FIRST_COMMENT + len(COMMENTS) + code).decode() in stored.everything


def test_the_cases_are_what_they_claim_to_be(stored: Stored) -> None:
    """Parsers read the conversations: a secret that nobody looked at would prove nothing."""
    assert FIRST_COMMENT + len(COMMENTS) + 2 >= 220
    unread = stored.session.ask("SELECT src_ip, dst_port FROM flows WHERE app_source IS DISTINCT FROM 'payload'")
    names = [CASES[int(ip.split(".")[2]) * 256 + int(ip.split(".")[3])] for ip, _ in unread]
    assert not [case.name for case in names if case.app]
    assert stored.session.ask("SELECT count(*) FROM processes WHERE cmdline LIKE '%***%'")[0][0] >= 3 * len(LOGGED)
