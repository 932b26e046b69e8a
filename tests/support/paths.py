"""Places of the project that tests read."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_pcaps"
SHARED = ROOT.parent / "shared"
"""What may lie beside the project: tests that want it are skipped without it."""
CORPUS = SHARED / "corpus"
"""Public captures."""
