"""What the helper's configuration allows, read from a file that only root can change."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Callable

import tomllib

from rustnet.probe.helper import MAX_MESSAGE, MAX_SNAPLEN

MEMORY_MB = 256


class HelperError(Exception):
    """The helper cannot start or go on: what is wrong, in one line."""


@dataclass(frozen=True)
class Rule:
    """One ``[[allow]]``: who may capture where, and how."""

    users: frozenset[int]
    groups: frozenset[int]
    interfaces: tuple[str, ...]
    """Names, or patterns as a shell's."""
    snaplen: int
    """Bytes of a packet at most; 0: whole packets."""
    promiscuous: bool

    def names(self, interface: str) -> bool:
        """Whether it is about an interface."""
        return any(fnmatchcase(interface, pattern) for pattern in self.interfaces)


@dataclass(frozen=True)
class Configuration:
    """All of it."""

    rules: tuple[Rule, ...]
    memory: int
    """Bytes of all rings of a user that exist at a time."""

    def rules_for(self, uid: int, groups: frozenset[int]) -> list[Rule]:
        """Rules that allow a user something."""
        return [rule for rule in self.rules if uid in rule.users or groups & rule.groups]


def check_folders(path: str) -> None:
    """Raise `HelperError` unless all directories of a path are root's, and nobody else can rename what is there."""
    if not os.path.isabs(path) or path != os.path.normpath(path):
        raise HelperError(f"{path!a}: expected an absolute path")
    folder = path
    while folder != "/":
        folder = os.path.dirname(folder)
        status = os.lstat(folder)
        shared = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or shared:
            raise HelperError(f"{folder}: must be a directory of root that others cannot write")


def read_configuration(path: str) -> Configuration:
    """Read it. Raises `HelperError` if others could have changed the file, or if anything in it is wrong."""
    try:
        check_folders(path)
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
                raise HelperError(f"{path}: must be a file of root that others cannot write")
            content = file.read(MAX_MESSAGE)
        table = tomllib.loads(content.decode("utf-8"))
        _check(set(table) <= {"allow", "memory_mb"}, "expected [[allow]] and memory_mb only")
        memory = _number(table.get("memory_mb", MEMORY_MB), 1, 1 << 16, "memory_mb")
        return Configuration(tuple(map(_rule, _list(table.get("allow", []), dict, "allow"))), memory << 20)
    except OSError as error:
        raise HelperError(f"{path}: {error.strerror} (expected a file of root, and no link)") from error
    except (ValueError, RecursionError) as error:
        raise HelperError(f"{path}: {error}") from error


def _rule(table: dict[str, Any]) -> Rule:
    known = {"users", "groups", "interfaces", "snaplen", "promiscuous"}
    _check(set(table) <= known, f"[[allow]] has only {', '.join(sorted(known))}")
    interfaces = tuple(_list(table.get("interfaces"), str, "interfaces"))
    promiscuous = table.get("promiscuous", False)
    _check(isinstance(promiscuous, bool), "promiscuous: expected true or false")
    users = _numbers(table.get("users", []), "users", lambda name: pwd.getpwnam(name).pw_uid)
    groups = _numbers(table.get("groups", []), "groups", lambda name: grp.getgrnam(name).gr_gid)
    return Rule(users, groups, interfaces, _number(table.get("snaplen", 0), 0, MAX_SNAPLEN, "snaplen"), promiscuous)


def _check(right: bool, words: str) -> None:
    if not right:
        raise ValueError(words)


def _list(values: Any, kind: type | tuple[type, ...], key: str) -> list[Any]:
    _check(isinstance(values, list) and all(isinstance(each, kind) for each in values), f"{key}: expected a list")
    return list(values)


def _number(value: Any, least: int, most: int, key: str) -> int:
    _check(type(value) is int and least <= value <= most, f"{key}: expected a number from {least} to {most}")
    return int(value)


def _numbers(values: object, key: str, number_of: Callable[[str], int]) -> frozenset[int]:
    """Numbers of users or groups that are given by name or number."""
    try:
        given = _list(values, (int, str), key)
        return frozenset(number_of(each) if isinstance(each, str) else _number(each, 0, 1 << 32, key) for each in given)
    except KeyError as error:
        raise ValueError(f"{key}: {error.args[0]}") from None
