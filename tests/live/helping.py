"""A running `rustnet helper`, and the users whom it knows."""

import subprocess
import sys
import time
from pathlib import Path

from tests.support.paths import ROOT

ALICE, BOB, GROUP = 65_534, 61_234, 61_999
RULES = f"""
memory_mb = 8
[[allow]]
users = [{ALICE}]
interfaces = ["a", "l*"]
[[allow]]
groups = [{GROUP}]
interfaces = ["b"]
snaplen = 100
promiscuous = true
"""

AS_ALICE = ("setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups", "env", "HOME=/")
"""Words that begin a command line of the user's."""


class Running:
    """A helper, its socket, configuration and log."""

    def __init__(self, folder: Path) -> None:
        self.configuration = folder / "helper.toml"
        self.configuration.write_text(RULES)
        self.socket = str(folder / "run" / "helper.sock")
        self.log_file = folder / "log"
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rustnet", "helper", "--socket", self.socket, "--configuration",
                 self.configuration],
                stderr=log, cwd=ROOT,
            )  # fmt: skip
        self.wait_for("answers on")

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def wait_for(self, words: str) -> None:
        until = time.monotonic() + 10
        while words not in self.log:
            assert time.monotonic() < until, f"waited for {words!r} in vain:\n{self.log}"
            time.sleep(0.02)

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(10) == 0, self.log
