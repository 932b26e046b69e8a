"""Compares the protocol hierarchy of captures with tshark's (`tshark -q -z io,phs`).

    python -m benchmarks.hierarchy CAPTURE|FOLDER… [--all]

Each capture gets a line: how many layers up to the transport, and how many above it, have the same frames and bytes in
both. ``--all`` lists those that differ. The exit code is 1 if a layer up to the transport differs in a capture where
both see the same ones.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rustnet.query import catalogue
from rustnet.query.session import open_session

ROOT = Path(__file__).resolve().parents[1]
Chain = tuple[str, ...]
Tree = dict[Chain, tuple[int, int]]
"""Frames and bytes by the layers from the link on."""

LOWER = frozenset((
    "eth", "sll", "raw", "null", "ppp", "pppoes", "chdlc", "wlan", "radiotap", "ppi", "nflog", "pktap", "llc", "vlan",
    "ip", "ipv6", "arp", "tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmpv6", "igmp", "gre", "esp", "ah", "pim",
    "ospf", "eigrp", "vrrp", "fragment", "stp", "cdp", "lldp", "lacp", "vxlan", "geneve", "gtpu", "teredo", "l2tp",
    "capwap", "erspan", "etherip", "vxlan-gpe", "tzsp", "lisp", "ayiya", "mpls", "l2tpv3",
))  # fmt: skip
"""Layers up to the transport, and those of tunnels."""
RENAMED = {"gtp": "gtpu", "lisp-data": "lisp", "capwap.data": "capwap", "ieee8021ad": "vlan", "nbss": "netbios",
           "nbns": "netbios", "nbdgm": "netbios", "wg": "wireguard", "isakmp": "ipsec", "xmpp": "xmpp",
           "pgsql": "postgresql", "mbtcp": "modbus", "rx": "", "gquic": "quic"}  # fmt: skip
"""What tshark calls a layer, and what rustnet does."""
PASSED_OVER = frozenset(("pkt_comment", "wlan_radio", "slow", "frame"))
"""Layers of tshark that are no headers of their own."""
NESTING = frozenset(("icmp", "icmpv6"))
"""Layers below which tshark shows the packet that is quoted."""
_LINE = re.compile(r"( *)(\S+) +frames:(\d+) bytes:(\d+)")


def tshark_tree(capture: Path) -> Tree:
    """Hierarchy of a capture by tshark, in rustnet's names."""
    command = ["tshark", "-n", "-r", str(capture), "-q", "-z", "io,phs"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    tree: Tree = {}
    path: list[str] = []
    for line in done.stdout.splitlines():
        match = _LINE.fullmatch(line.rstrip())
        if not match:
            continue
        depth = len(match[1]) // 2
        path[depth:] = [match[2]]
        chain = translated(path)
        if chain and path[-1] not in PASSED_OVER:
            frames, size = tree.get(chain, (0, 0))
            tree[chain] = frames + int(match[3]), size + int(match[4])
    return tree


def translated(path: Iterable[str]) -> Chain:
    """Layers of tshark in rustnet's names; empty for one that rustnet counts nowhere."""
    chain: list[str] = []
    for name in path:
        if name in PASSED_OVER:
            continue
        if name.startswith("_ws.") or (chain and chain[-1] in NESTING):
            return ()
        fragment = name == "data" and chain and chain[-1] in ("ip", "ipv6")
        chain.append("fragment" if fragment else RENAMED.get(name, name))
    return tuple(chain)


def session_tree(session: Path) -> Tree:
    """Hierarchy of a session; a guess counts as what it is guessed to be."""
    tree: Tree = {}
    with open_session(str(session)) as reader:
        result = catalogue.find("protocol-hierarchy").execute(reader)
    for row in result.rows:
        fields = dict(zip(result.columns, row, strict=True))
        chain = tuple(str(fields["layers"]).split(":"))
        frames, size = tree.get(chain, (0, 0))
        tree[chain] = frames + int(fields["frames"]), size + int(fields["bytes"])
    return tree


@dataclass
class Comparison:
    """Layers of one capture that are equal in both, and those that are not."""

    equal: list[Chain]
    different: list[tuple[Chain, tuple[int, int], tuple[int, int]]]
    """Layers, frames and bytes of tshark, and of rustnet; zero where one does not have the layer."""

    def different_up_to_transport(self) -> list[tuple[Chain, tuple[int, int], tuple[int, int]]]:
        """Layers up to the transport that differ."""
        return [each for each in self.different if is_lower(each[0])]

    def split(self, lower: bool) -> tuple[int, int]:
        """Number of equal and of different layers, up to the transport or above it."""
        return (
            sum(is_lower(chain) == lower for chain in self.equal),
            sum(is_lower(chain) == lower for chain, _, _ in self.different),
        )


def is_lower(chain: Chain) -> bool:
    """Whether a layer is one up to the transport."""
    return LOWER.issuperset(chain)


def compare(right: Tree, tree: Tree) -> Comparison:
    """Compare two hierarchies layer by layer."""
    nothing = (0, 0)
    chains = sorted({*right, *tree})
    return Comparison(
        [chain for chain in chains if right.get(chain) == tree.get(chain)],
        [(c, right.get(c, nothing), tree.get(c, nothing)) for c in chains if right.get(c) != tree.get(c)],
    )


def captures(paths: Iterable[str]) -> Iterator[Path]:
    """Captures among files and folders."""
    for text in paths:
        path = Path(text)
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in files if file.suffix in (".pcap", ".pcapng", ".cap"))


def main() -> int:
    """Print a line for each capture."""
    everything = "--all" in sys.argv
    paths = [word for word in sys.argv[1:] if word != "--all"]
    if not paths:
        sys.stderr.write("usage: python -m benchmarks.hierarchy CAPTURE|FOLDER… [--all]\n")
        return 2
    equal = differing = above = above_all = 0
    with tempfile.TemporaryDirectory() as scratch:
        session = Path(scratch) / "session.duckdb"
        for capture in captures(paths):
            session.unlink(missing_ok=True)
            command = [
                sys.executable,
                "-P",
                "-m",
                "rustnet",
                "replay",
                "--no-tui",
                "--no-sidecar",
                "--db",
                str(session),
            ]
            subprocess.run([*command, str(capture)], capture_output=True, cwd=ROOT, check=False)
            if not session.exists():
                continue
            compared = compare(tshark_tree(capture), session_tree(session))
            low, high = compared.split(True), compared.split(False)
            equal += not low[1]
            differing += bool(low[1])
            above += high[0]
            above_all += sum(high)
            mark = "✗" if low[1] else "✓"
            print(f"{mark} {capture.name:48.48} {low[0]:3} of {sum(low):3} layers up to the transport, "
                  f"{high[0]:3} of {sum(high):3} above", flush=True)  # fmt: skip
            for chain, right, ours in compared.different:
                if everything or is_lower(chain):
                    print(
                        f"    {':'.join(chain):60} tshark {right[0]:8} {right[1]:10}   rustnet {ours[0]:8} {ours[1]:10}"
                    )
    print(f"{equal} captures with equal layers up to the transport, {differing} with others; {above} of {above_all} "
          "layers above it are equal")  # fmt: skip
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
