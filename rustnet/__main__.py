"""``python -m rustnet``: the same as the command ``rustnet``."""

from rustnet.cli.main import entry

if __name__ == "__main__":
    entry()
