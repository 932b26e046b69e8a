"""Manifest of an export: SHA-256 of its files and of its inputs, tool and policy, signed; and its check."""

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rustnet import __version__
from rustnet.errors import InputError
from rustnet.export.folder import ExportFolder
from rustnet.export.originals import digest
from rustnet.export.signatures import MAX_SIGNATURE, SignatureError, SigningKey, signer_of
from rustnet.i18n import _
from rustnet.query.integrity import Finding

NAME, SIGNATURE = "manifest.json", "manifest.json.sig"
FORMAT = "export of rustnet, version 1"
MAX_MANIFEST = 16 << 20
"""Largest manifest that is read, in bytes."""
MAX_FILES = 100_000
"""Most files of a directory that are looked at."""
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Input:
    """A file that an export was made from."""

    kind: str
    """``session`` or ``capture``."""
    path: str
    bytes: int | None
    sha256: str | None
    """None: not known, because the file was being written or was no file."""


def write_manifest(
    folder: ExportFolder, inputs: Sequence[Input], policy: Mapping[str, Any] | None, created: str, key: SigningKey
) -> None:
    """Add a manifest of all files of an export, and its signature. ``created`` is a time in UTC by ISO 8601."""
    files = [
        {"path": name, "bytes": (folder.work / name).stat().st_size, "sha256": digest(folder.work / name)}
        for name in folder.files
    ]
    content = {
        "manifest": FORMAT,
        "tool": {"name": "rustnet", "version": __version__},
        "created": created,
        "policy": policy,
        "inputs": [asdict(each) for each in inputs],
        "files": files,
    }
    text = json.dumps(content, indent=1, ensure_ascii=True).encode() + b"\n"
    with folder.create(NAME) as stream:
        stream.write(text)
    with folder.create(SIGNATURE) as stream:
        stream.write(key.sign(text))


@dataclass(frozen=True, slots=True)
class _Stated:
    """A file as the manifest states it."""

    path: str
    bytes: int
    sha256: str


def check_manifest(directory: Path, signer: str | None = None) -> list[Finding]:
    """Check a directory against its manifest; ``signer`` is the fingerprint of the key that must have signed it.

    Raises `InputError` if there is no manifest, or one that cannot be used.
    """
    content = _read(directory / NAME, MAX_MANIFEST)
    if content is None:
        raise InputError(
            "{path}: has no {name}: it is no export with a manifest ('rustnet export … --manifest')",
            path=directory,
            name=NAME,
        )
    stated, inputs = _parsed(directory, content)
    findings = [_signature(directory, content, signer)]
    findings += [_file(directory, each) for each in stated]
    findings += _unknown(directory, {each.path for each in stated} | {NAME, SIGNATURE})
    return findings + [_input(each) for each in inputs]


def _read(path: Path, most: int) -> bytes | None:
    """Content of a plain file; None if there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError("{path}: cannot be read: {strerror}", path=path, strerror=error.strerror or error) from None
    with open(handle, "rb") as file:  # noqa: PTH123 -- a descriptor
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InputError("{path}: is no plain file", path=path)
        content = file.read(most + 1)
    if len(content) > most:
        raise InputError("{path}: is larger than {most:,} bytes", path=path, most=most)
    return content


def _parsed(directory: Path, content: bytes) -> tuple[list[_Stated], list[Input]]:
    """Files and inputs that a manifest states."""
    try:
        data = json.loads(content)
        stated = [_Stated(str(each["path"]), int(each["bytes"]), str(each["sha256"])) for each in data["files"]]
        inputs = [Input(str(each["kind"]), str(each["path"]), each["bytes"], each["sha256"]) for each in data["inputs"]]
        usable = data["manifest"] == FORMAT and _usable(stated)
        if data["policy"] is not None:
            inputs = []  # their names are replaced
    except (ValueError, TypeError, KeyError, RecursionError):
        usable = False
    if not usable:
        raise InputError("{path}: is no manifest of rustnet", path=directory / NAME)
    return stated, inputs


def _usable(stated: Sequence[_Stated]) -> bool:
    """Whether all paths are different ones within the directory, and all hashes are hashes."""
    names = [PurePosixPath(each.path) for each in stated]
    inside = all(name.parts and not name.is_absolute() and ".." not in name.parts for name in names)
    return inside and len(set(names)) == len(names) and all(_SHA256.fullmatch(each.sha256) for each in stated)


def _signature(directory: Path, content: bytes, expected: str | None) -> Finding:
    check = _("signature of {name}").format(name=NAME)
    signature = _read(directory / SIGNATURE, MAX_SIGNATURE)
    if signature is None:
        words = _("there is no {name}: anybody may have written this manifest")
        return Finding(check, ok=False, detail=words.format(name=SIGNATURE), serious=expected is not None)
    try:
        signer = signer_of(content, signature)
    except SignatureError as error:
        return Finding(check, ok=False, detail=error.sentence(_))
    if expected is not None and signer != expected:
        words = _("signed by the key {signer}, not by {expected}")
        return Finding(check, ok=False, detail=words.format(signer=signer, expected=expected))
    words = _("valid, by the key {signer}") if expected else _("valid, by the key {signer}; compare it with --signer")
    return Finding(check, ok=True, detail=words.format(signer=signer))


def _file(directory: Path, stated: _Stated) -> Finding:
    path = directory / stated.path
    try:
        status = path.lstat()
    except OSError as error:
        return Finding(stated.path, ok=False, detail=_("cannot be read: {reason}").format(reason=error.strerror))
    if not stat.S_ISREG(status.st_mode) or directory.resolve() not in path.resolve().parents:
        return Finding(stated.path, ok=False, detail=_("is no plain file in the directory"))
    if status.st_size != stated.bytes:
        words = _("has {size:,} bytes, not {bytes:,}")
        return Finding(stated.path, ok=False, detail=words.format(size=status.st_size, bytes=stated.bytes))
    try:
        same = digest(path) == stated.sha256
    except InputError as error:
        return Finding(stated.path, ok=False, detail=error.sentence(_))
    return Finding(stated.path, ok=same, detail=_("same SHA-256") if same else _("its SHA-256 differs"))


def _unknown(directory: Path, known: set[str]) -> Iterator[Finding]:
    """Files that the manifest does not name."""
    seen = 0
    for folder, _folders, names in os.walk(directory):
        for name in names:
            seen += 1
            if seen > MAX_FILES:
                words = _("more than {most:,} files: the others were not looked at")
                yield Finding(str(directory), ok=False, detail=words.format(most=MAX_FILES))
                return
            relative = (Path(folder) / name).relative_to(directory).as_posix()
            if relative not in known:
                yield Finding(relative, ok=False, detail=_("is not in the manifest"))


def _input(stated: Input) -> Finding:
    """Compare an input with the file of its name, where there is one."""
    check = _("input {path}").format(path=stated.path)
    path = Path(stated.path)
    if stated.sha256 is None:
        return Finding(check, ok=False, detail=_("no SHA-256 was recorded"), serious=False)
    if not path.is_file():
        return Finding(check, ok=False, detail=_("not compared: there is no such file here"), serious=False)
    try:
        same = path.stat().st_size == stated.bytes and digest(path) == stated.sha256
    except InputError as error:
        return Finding(check, ok=False, detail=error.sentence(_), serious=False)
    words = _("same SHA-256") if same else _("the file of this name is another one now")
    return Finding(check, ok=same, detail=words, serious=False)
