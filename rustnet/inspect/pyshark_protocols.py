"""Protocols of every frame of a file, by tshark through pyshark. Only the worker imports this module.

pyshark wants the main thread of a fresh process and an event loop that nobody runs (it fails in a running one).
"""

import asyncio
import contextlib
import time
import warnings

warnings.simplefilter("ignore")

import pyshark  # noqa: E402 -- silent from its import on

_MAX_CHAIN = 1000


def answer(tshark: str, file: str, seconds: float) -> dict[str, object]:
    """Distinct chains of protocols, and for each frame which one it has; ``stopped`` says why the rest is missing."""
    until = time.monotonic() + seconds
    chains: dict[str, int] = {}
    frames: list[int] = []
    stopped: str | None = None
    asyncio.set_event_loop(asyncio.new_event_loop())
    # Nothing but the frame's own fields is printed; that is three times as fast.
    capture = pyshark.FileCapture(file, keep_packets=False, tshark_path=tshark, custom_parameters=["-j", "frame"])
    try:
        for packet in capture:
            chain = str(packet.frame_info.protocols)[:_MAX_CHAIN]
            frames.append(chains.setdefault(chain, len(chains)))
            if time.monotonic() > until:
                stopped = f"tshark was stopped after {seconds:.0f} s, with {len(frames):,} packets read"
                break
    except Exception as error:  # noqa: BLE001 -- whatever pyshark makes of a tshark that ended early
        why = " ".join(str(error).split())[:200] or type(error).__name__
        stopped = f"tshark failed after {len(frames):,} packets ({why})"
    finally:
        with contextlib.suppress(Exception):  # it complains of what was told already
            capture.close()
    made: dict[str, object] = {"chains": list(chains), "frames": frames}
    if stopped:
        made["stopped"] = stopped
    return made
