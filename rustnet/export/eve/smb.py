"""Events ``smb`` of ``eve.json``."""

import re

from rustnet.export.timeline import Fields, present

SMB_COLUMNS = ("command", "filename", "new_name", "directory", "share", "dialect", "result", "disposition",
               "delete_on_close", "username", "domain", "workstation", "server_os", "client_os", "size", "tree_id",
               "session_id")  # fmt: skip

_SMB2_COMMANDS = {
    "NEGOTIATE": "NEGOTIATE_PROTOCOL", "SESSION_SETUP": "SESSION_SETUP", "TREE_CONNECT": "TREE_CONNECT",
    "CREATE": "CREATE", "CLOSE": "CLOSE", "QUERY_DIRECTORY": "FIND", "RENAME": "SET_INFO", "DELETE": "SET_INFO",
    "LINK": "SET_INFO", "DFS_REFERRAL": "IOCTL", "PIPE_WAIT": "IOCTL",
}  # fmt: skip
_SMB1_COMMANDS = {
    "NEGOTIATE": "NEGOTIATE_PROTOCOL", "SESSION_SETUP": "SESSION_SETUP_ANDX", "TREE_CONNECT": "TREE_CONNECT_ANDX",
    "CLOSE": "CLOSE", "DELETE": "DELETE", "RENAME": "RENAME", "CREATE_DIRECTORY": "CREATE_DIRECTORY",
    "DELETE_DIRECTORY": "DELETE_DIRECTORY", "TRANS2": "TRANS2", "CHECK_DIRECTORY": "CHECK_DIRECTORY",
    "DFS_REFERRAL": "TRANS2", "TRANSACTION": "TRANS", "PIPE_WAIT": "TRANS",
}  # fmt: skip
"""Suricata's names of commands; `OPEN` and `CREATE` of version 1 stand for several commands each."""
_NEWER = re.compile(r"[23]\.")
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def smb(row: Fields) -> Fields:
    """One request with its response, one entry of a listing, or a closed file's totals."""
    result = row["result"]
    newer = bool(row["dialect"] and _NEWER.match(row["dialect"]))
    systems = {"native_os": row["server_os"]} if row["dialect"] and not newer else {}
    clients = {"native_os": row["client_os"]}
    renamed = row["new_name"] is not None
    return present({
        "dialect": row["dialect"],
        "command": _command(row["command"], row["dialect"], newer=newer),
        "status": f"STATUS_{result}" if result and _NAME.fullmatch(result) else None,
        "status_code": result if result and result.startswith("0x") else None,
        "session_id": row["session_id"],
        "tree_id": row["tree_id"],
        "filename": None if renamed else row["filename"],
        "rename": present({"from": row["filename"], "to": row["new_name"]}) if renamed else None,
        "directory": row["directory"],
        "share": row["share"],
        "disposition": f"FILE_{row['disposition'].upper()}" if row["disposition"] else None,
        "access": "delete on close" if row["delete_on_close"] else None,
        "size": row["size"],
        "request": present(clients),
        "response": present(systems),
        "ntlmssp": present({"domain": row["domain"], "user": row["username"], "host": row["workstation"]}),
    })  # fmt: skip


def _command(command: str | None, dialect: str | None, *, newer: bool) -> str | None:
    """Suricata's name of a command, which depends on the version of the protocol."""
    if command is None or dialect is None:
        return None
    name = (_SMB2_COMMANDS if newer else _SMB1_COMMANDS).get(command)
    return name and f"SMB{2 if newer else 1}_COMMAND_{name}"
