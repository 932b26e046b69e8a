"""``python -m rustnet.probe``: the same as ``python sidecar/record.py``."""

from __future__ import annotations

import sys

from rustnet.probe.command import main

if __name__ == "__main__":
    sys.exit(main())
