"""Replays small captures of known situations from a folder, and compares what sessions have with what is right.

    python -m benchmarks.truth FOLDER

Each row names the captures, the question, the right answer and the session's. The exit code is 1 if one differs.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.truth_cases import CASES, Case, Check

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 56


def rustnet(*arguments: str) -> str:
    """Standard output of a command line."""
    command = [sys.executable, "-P", "-m", "rustnet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.stdout


def answer(session: Path, check: Check) -> Any:
    """What a session has to say to a question."""
    question = ("--sql", check.query) if not check.columns else (check.query,)
    rows = json.loads(rustnet("query", str(session), *question, "--format", "json") or "[]")
    if check.columns:
        compared = rows if check.whole else rows[: len(check.right)]
        return [[row.get(name) for name in check.columns] for row in compared]
    return [list(row.values()) for row in rows]


def contents(session: Path) -> Any:
    """Flows and messages of a session, without what says how its capture is stored."""
    names = rustnet("query", str(session), "--sql", "SELECT table_name FROM duckdb_tables()", "--format", "csv")
    tables = [name for name in names.split()[1:] if name in ("flows_ended", "http", "tls", "dns", "names")]
    return {
        table: rustnet("query", str(session), "--sql", f"SELECT * FROM {table} ORDER BY ALL", "--format", "csv")
        for table in sorted(tables)
    }


def everything(session: Path) -> str:
    """All values of all tables of a session as text."""
    with duckdb.connect(str(session), read_only=True) as con:
        tables = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return "\n".join(str(con.execute(f'FROM "{table}"').fetchall()) for table in tables)


def compare(case: Case, folder: Path, scratch: Path) -> list[tuple[str, Any, Any]]:
    """Question, right answer and the session's for each check of a case."""
    session = scratch / "session.duckdb"
    session.unlink(missing_ok=True)
    sidecar = ("--sidecar", str(folder / case.sidecar)) if case.sidecar else ("--no-sidecar",)
    files = [str(folder / name) for name in case.files]
    page = " ".join(rustnet("replay", "--no-tui", "--db", str(session), *sidecar, *case.options, *files).split())
    results = [(check.question, check.right, answer(session, check)) for check in case.checks]
    results += [(f"summary has “{text}”", True, text in page) for text in case.summary]
    if case.secret:
        results.append(("holds the secret", False, case.secret in everything(session)))
    if case.same_as:
        whole = scratch / "whole.duckdb"
        whole.unlink(missing_ok=True)
        rustnet("replay", "--no-tui", "--no-sidecar", "--db", str(whole), str(folder / case.same_as))
        results.append((f"same rows as {case.same_as}", True, contents(session) == contents(whole)))
    return results


def main() -> int:
    """Print a line for each question."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m benchmarks.truth FOLDER\n")
        return 2
    folder = Path(sys.argv[1])
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        for case in CASES:
            if not all((folder / name).exists() for name in case.files):
                sys.stdout.write(f"-  {', '.join(case.files)}: not in {folder}\n")
                continue
            for question, right, got in compare(case, folder, Path(scratch)):
                wrong += right != got
                mark = "✓" if right == got else "✗"
                shown = f"{got}" if right == got else f"{got}, right is {right}"
                sys.stdout.write(f"{mark}  {' '.join(case.files):34.34}  {question:36}  {shown[: 2 * LONGEST]}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{wrong} answers are wrong\n" if wrong else "every answer is right\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
