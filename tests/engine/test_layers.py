"""The reference of layers names what the decoder reads."""

import subprocess
import sys

from rustnet.engine.layers import ENCAPSULATIONS, LINK_TYPES, TUNNELS
from rustnet.engine.numbers import TUNNEL_NAMES, UNKNOWN_LINK
from rustnet.sources.linktypes import NAMES
from tests.engine.tracking import track
from tests.support.packets import START, Captured


def test_link_types_are_those_that_the_decoder_knows() -> None:
    """Of every number below 512 a short frame is cut or malformed, or its link type is unknown."""
    frames = [Captured(START, bytes(3), number) for number in range(512)]
    unknown = {link for answer, link, _ in track(frames).reader.refused if answer == UNKNOWN_LINK}
    assert tuple(sorted(set(range(512)) - unknown)) == LINK_TYPES
    assert set(LINK_TYPES) <= set(NAMES)


def test_tunnels_are_those_of_the_decoder() -> None:
    assert set(TUNNELS) == set(filter(None, TUNNEL_NAMES))


def test_they_are_listed_on_a_terminal() -> None:
    command = [sys.executable, "-m", "rustnet", "protocols", "--layers"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(f"  {number:<3}  {NAMES[number]}\n" in shown for number in LINK_TYPES)
    assert all(each.title in shown for each in ENCAPSULATIONS)
    assert all(f"\n  {name:<9}  {tunnel.title}" in shown for name, tunnel in TUNNELS.items())


def test_a_listing_of_layers_takes_nothing_else() -> None:
    for more in (["ssh"], ["--tables"], ["--format", "markdown"]):
        command = [sys.executable, "-m", "rustnet", "protocols", "--layers", *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
