"""Starts other processes so that nothing in the current directory, or in the environment, becomes their code.

Evidence lies in directories that others filled. A child gets no import path and no search path that names the current
directory, few variables, and a directory of its own to work in.
"""

import os
import shutil
import sys
from pathlib import Path

import rustnet
from rustnet.errors import RustnetError

NEUTRAL_DIRECTORY = "/" if os.name == "posix" else os.path.abspath(os.sep)  # noqa: PTH100
"""Working directory of children that need none: only administrators can put files there."""

SYSTEM_PROGRAMS = ("/usr/local/bin", "/usr/bin", "/bin")
"""Directories that are searched for programs after those of ``PATH``."""

_KEPT = ("LANG", "LANGUAGE", "TZ", "SYSTEMROOT")
_KEPT_PREFIX = "LC_"
_DIRECTORIES = ("TMPDIR", "TEMP", "TMP")

_START = """\
import importlib.util, os, sys
code, init, *paths = sys.argv[1:]
spec = importlib.util.spec_from_file_location("rustnet", init, submodule_search_locations=[os.path.dirname(init)])
package = sys.modules["rustnet"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
sys.path += [path for path in paths if path not in sys.path]
del sys.argv[1:]
exec(code)
"""
"""Imports this package from its own file, so that its parent directory need not be in the import path."""


def search_path() -> str:
    """``PATH`` with its absolute directories only, without the current one, followed by the system's."""
    given = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if not _is_current(entry)]
    return os.pathsep.join(dict.fromkeys([*given, *SYSTEM_PROGRAMS]))


def find_program(name: str) -> str | None:
    """Absolute path of a program, or `None`; never one in the current directory or below a relative entry."""
    return shutil.which(name, path=search_path())


def environment(**extra: str) -> dict[str, str]:
    """Environment of a child: language, time zone, temporary directory, a safe ``PATH``, and ``extra``."""
    kept = {name: text for name, text in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIX)}
    folders = {name: os.environ[name] for name in _DIRECTORIES if Path(os.environ.get(name, "")).is_absolute()}
    return {**kept, **folders, "HOME": "/nonexistent", "PATH": search_path(), **extra}


def python() -> str:
    """Absolute path of the Python interpreter that runs this program."""
    if not sys.executable or not Path(sys.executable).is_absolute():
        raise RustnetError("the path of the Python interpreter is not known: start rustnet by an absolute path")
    return sys.executable


def python_command(code: str) -> list[str]:
    """Command that runs ``code``, which may import this package, in an isolated interpreter.

    It ignores ``PYTHON…`` variables and the current directory. Other packages come from where this process has them,
    after those of the interpreter itself.
    """
    init = str(Path(rustnet.__file__).resolve())
    return [python(), "-I", "-B", "-X", "utf8", "-c", _START, code, init, *_import_path()]


def _import_path() -> list[str]:
    """Directories from which this process imports, without the current one and those given by relative paths."""
    return [entry for entry in sys.path if not _is_current(entry) and Path(entry).resolve() not in _relative()]


def _relative() -> set[Path]:
    """Directories that ``PYTHONPATH`` names by relative paths, which Python has made absolute by now."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {Path(entry).resolve() for entry in entries if not Path(entry).is_absolute()}


def _is_current(entry: str) -> bool:
    """Whether an entry of a search path is relative, or the current directory."""
    if not Path(entry).is_absolute():
        return True
    try:
        return Path(entry).samefile(".")
    except OSError:
        return False
