"""``python -m rustnet``: the same as the command ``rustnet``."""

import sys

from rustnet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
