"""What is wrong with the configuration, also about the files, folders and parts of the browser that it names."""

from rustnet.cli.browser_settings import browser_problems
from rustnet.config import SETTINGS, Loaded
from rustnet.i18n import _
from rustnet.present.text import printable


def sentences_about(loaded: Loaded) -> list[str]:
    """Return a sentence for each thing that is wrong."""
    sentences = [problem.sentence(_) for problem in loaded.problems]
    for key, setting in SETTINGS.items():
        path = getattr(loaded.config, setting.name)
        if key == "queries" and path is not None and not path.is_dir():
            sentences.append(_("{key}: there is no folder {path}").format(key=key, path=path))
        elif key.startswith("geo.") and path is not None and not path.is_file():
            sentences.append(_("{key}: there is no file {path}").format(key=key, path=path))
    return sentences + [problem.sentence(_) for problem in browser_problems(loaded.config)]


def file_words(loaded: Loaded) -> str:
    """The file, and whether it was read."""
    if loaded.path is None:
        return _("no configuration file is read")
    path = printable(str(loaded.path))
    if loaded.was_read:
        return path
    if loaded.unreachable:
        return _("{path} (not read: {reason})").format(path=path, reason=loaded.unreachable)
    return (
        _("{path} (not read)").format(path=path) if loaded.problems else _("{path} (does not exist)").format(path=path)
    )
