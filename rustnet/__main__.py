"""The command ``rustnet``, also as ``python -m rustnet``.

``python -m`` looks for modules in the current directory first, and so does an empty entry of ``PYTHONPATH``. That
directory may hold evidence, so it leaves the import path before anything else is imported. In a source tree this
changes nothing: the package is known by then, and its modules come from its own directory.

What no program can prevent by itself: ``python -m rustnet`` takes a directory ``rustnet`` of the current directory for
this package. Start the script ``rustnet`` there, or ``python -P -m rustnet``.
"""

import os
import sys

try:
    _current = os.getcwd()  # noqa: PTH109 -- pathlib is not loaded yet
except OSError:
    _current = ""
_relative = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path[:1] != os.sep]
_excluded = ["", _current, *map(os.path.abspath, _relative)]
sys.path[:] = [path for path in sys.path if path not in _excluded]

from rustnet.cli.language import choose  # noqa: E402 -- after the import path is safe

choose(sys.argv[1:])

from rustnet.cli.main import entry  # noqa: E402 -- its texts are in the language that was chosen

__all__ = ["entry"]

if __name__ == "__main__":
    entry()
