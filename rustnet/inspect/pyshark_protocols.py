"""Protocols of every frame of a file, by tshark through pyshark. Only the worker imports this module.

pyshark needs the main thread of a new process and an event loop that is not running.
"""

import asyncio
import contextlib
import time
import warnings

warnings.simplefilter("ignore")

import pyshark  # noqa: E402 -- after the filter of warnings

_MAX_CHAIN = 1000


def answer(tshark: str, file: str, seconds: float) -> dict[str, object]:
    """Distinct protocol chains, and the index of each frame's chain; ``stopped`` is the reason of an early end."""
    deadline = time.monotonic() + seconds
    chains: dict[str, int] = {}
    frames: list[int] = []
    stopped: str | None = None
    asyncio.set_event_loop(asyncio.new_event_loop())
    # Printing only the fields of the frame is three times as fast.
    capture = pyshark.FileCapture(file, keep_packets=False, tshark_path=tshark, custom_parameters=["-j", "frame"])
    try:
        for packet in capture:
            chain = str(packet.frame_info.protocols)[:_MAX_CHAIN]
            frames.append(chains.setdefault(chain, len(chains)))
            if time.monotonic() > deadline:
                stopped = f"tshark was stopped after {seconds:.0f} s, with {len(frames):,} packets read"
                break
    except Exception as error:  # noqa: BLE001 -- pyshark raises various exceptions if tshark ends early
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        stopped = f"tshark failed after {len(frames):,} packets ({reason})"
    finally:
        with contextlib.suppress(Exception):  # it repeats the error above
            capture.close()
    result: dict[str, object] = {"chains": list(chains), "frames": frames}
    if stopped:
        result["stopped"] = stopped
    return result
