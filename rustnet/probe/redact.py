"""Secrets in command lines: a list of known habits, not a proof."""

from __future__ import annotations

import os
import re

SENSITIVE = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|(?:api|access|private|secret|auth)[-_.]?key|credentials?)"
)
SECRET_OPTION = re.compile(r"(?i)--?(?:[\w.-]*[-_.])?" + SENSITIVE + r"|-{1,2}(?:pass|pw)(?:in|out)?")
SECRET_VALUE = re.compile(r"(?i)(" + SENSITIVE + r"[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;]+")
SECRET_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]*(?:key|token|auth)[\w-]*)(\s*[:=]\s*).+"
)
SECRET_URL = re.compile(r"(\b[A-Za-z][\w+.-]*://[^\s/?#:@]*:)[^\s/?#@]+@")
SECRET_OPTIONS = {
    "curl": ("-u", "-U", "--user", "--proxy-user"), "sshpass": ("-p",), "redis-cli": ("-a",),
    "ldapsearch": ("-w",), "ldapmodify": ("-w",), "ldapadd": ("-w",), "mysql": ("-p",), "mysqldump": ("-p",),
    "mysqladmin": ("-p",), "mariadb": ("-p",), "mariadb-dump": ("-p",), "mongosh": ("-p",), "mongo": ("-p",),
    "sqlcmd": ("-P",), "smbclient": ("-U",), "rpcclient": ("-U",), "lftp": ("-u",), "mosquitto_pub": ("-P",),
    "mosquitto_sub": ("-P",), "az": ("-p",), "ipmitool": ("-P",),
    "snmpwalk": ("-c", "-A", "-X"), "snmpget": ("-c", "-A", "-X"), "unzip": ("-P",), "zip": ("-P",),
}  # fmt: skip
"""Options that carry a secret, by program; `user:password` and `user%password` keep their user."""
HIDDEN = "***"


def redact(words: list[str]) -> list[str]:
    """Hide what looks like a secret in a command line: the values of options, assignments, headers and addresses."""
    options = SECRET_OPTIONS.get(os.path.basename(words[0]) if words else "", ())
    shown, hide_next = words[:1], False
    for word in words[1:]:
        option = next((one for one in options if word == one or (len(one) == 2 and word.startswith(one))), None)
        if hide_next and word[:1] != "-":
            shown.append(_hide(word))
        elif option and len(word) > len(option):
            shown.append(option + _hide(word[len(option) :]))
        else:
            shown.append(_hide_values(word))
        hide_next = word == option or SECRET_OPTION.fullmatch(word) is not None
    return shown


def _hide(secret: str) -> str:
    """Replace a secret, but keep the user name in front of it."""
    user = re.match(r"[^:%]*[:%]", secret)
    return (user.group() if user and "/" not in user.group() else "") + HIDDEN


def _hide_values(word: str) -> str:
    """Replace the secrets of headers, addresses and assignments within one word."""
    word = SECRET_HEADER.sub(r"\1\2" + HIDDEN, word)
    return SECRET_VALUE.sub(r"\1" + HIDDEN, SECRET_URL.sub(r"\1" + HIDDEN + "@", word))
