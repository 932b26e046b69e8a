"""Capture filters: programs, and where an expression is wrong."""

import builtins
import sys
from typing import Any

import pytest

from rustnet.errors import RustnetError, UsageError
from rustnet.probe.ring_socket import cut_program
from rustnet.sources.bpf import compile_filter, compile_filters


@pytest.fixture
def compiler() -> None:
    pytest.importorskip("cypcap")


@pytest.mark.usefixtures("compiler")
def test_programs_differ_by_link_type() -> None:
    ethernet, raw = compile_filter("tcp port 80", 1), compile_filter("tcp port 80", 101)
    assert ethernet[0] == (0x28, 0, 0, 12), "the EtherType"
    assert raw[0] == (0x30, 0, 0, 0), "the IP version"
    assert ethernet[-1] == (6, 0, 0, 0)


@pytest.mark.usefixtures("compiler")
def test_no_expression_is_no_program() -> None:
    assert compile_filter(" ", 1) == ()


def test_the_snap_length_is_in_the_program() -> None:
    assert cut_program((), 0) == ()
    assert cut_program((), 96) == ((6, 0, 0, 96),)
    program = ((0x28, 0, 0, 12), (0x15, 0, 1, 2048), (6, 0, 0, 262_144), (6, 0, 0, 0))
    assert cut_program(program, 0) == program
    assert cut_program(program, 96) == (*program[:2], (6, 0, 0, 96), (6, 0, 0, 0))


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ("tcp prot 80", "column 5, at “prot 80”"),
        ("tcp and and udp", "column 9, at “and udp”"),
        ("(tcp or udp)) and ip", "column 13, at “) and ip”"),
        ("udp port httpx", "column 10, at “httpx”"),
        ("tcp port 99999", "column 10, at “99999”"),
        ("ip host 300.1.1.1", "column 9, at “300.1.1.1”"),
        ("udp and host fe80::1 nand tcp", "column 22, at “nand tcp”"),
        ("tcp[13] & 2 != 0 and (ip[2:2] > )", "column 33, at “)”"),
        ("host", "is not complete"),
        ("host 1.2.3.4 and (udp", "is not complete"),
        ("ether[0", "is not complete"),
        ("tcp and vlan 5", "column 9, at “vlan 5”"),
        ("tcp\0", "too long, or contains a zero"),
    ],
)
def test_errors_say_where(expression: str, place: str) -> None:
    with pytest.raises(UsageError) as error:
        compile_filter(expression, 1)
    assert place in str(error.value)


def test_without_the_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "cypcap":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "cypcap", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(RustnetError, match=r"pip install 'rustnet\[live\]'"):
        compile_filter("tcp", 1)


@pytest.mark.usefixtures("compiler")
def test_programs_of_several_interfaces() -> None:
    ethernet, tunnel, ppp = 1, 0xFFFE, 512
    assert compile_filters(" ", {"eth0": ethernet}) == {}
    programs = compile_filters("tcp port 80", {"eth0": ethernet, "tun0": tunnel})
    assert programs.keys() == {1, 101, 276}, "usual ones too: such an interface may appear"
    assert programs[1] == compile_filter("tcp port 80", 1)
    assert programs[276][0] == (0x28, 0, 0, 0xFFFFF000), "the protocol, of the kernel's own knowledge"
    only = compile_filters("ether host 2:0:0:0:0:1", {"eth0": ethernet})
    assert only.keys() == {1}, "an interface without such addresses is not captured if it appears"
    assert compile_filters("ether host 2:0:0:0:0:1", {"eth0": ethernet, "ppp0": ppp}, partly=True).keys() == {1}
    for interfaces, partly in (({"eth0": ethernet, "tun0": tunnel}, False), ({"tun0": tunnel}, True)):
        with pytest.raises(UsageError, match="“ether host 2:0:0:0:0:1” cannot be used: ethernet addresses supported"):
            compile_filters("ether host 2:0:0:0:0:1", interfaces, partly)
    with pytest.raises(UsageError, match=r"column 5, at “prot 80”"):
        compile_filters("tcp prot 80", {"eth0": ethernet}, partly=True)
    assert compile_filters("udp", {"wlan0mon": 803}).keys() == {127, 1, 101, 276}
