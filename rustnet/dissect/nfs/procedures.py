"""Programs, procedures, operations and errors of NFS and its companions (RFC 1094, 1813, 7530, 8881, 1833)."""

PROGRAMS = {
    100000: "portmap", 100001: "rstat", 100002: "rusers", 100003: "nfs", 100004: "ypserv", 100005: "mount",
    100007: "ypbind", 100008: "rwall", 100009: "yppasswd", 100011: "rquota", 100012: "spray", 100021: "nlm",
    100024: "nsm", 100026: "bootparam", 100068: "cmsd", 100083: "ttdbserver", 100227: "nfs_acl", 100300: "nisplus",
    300019: "amd", 391002: "sgi_fam",
}  # fmt: skip
"""Names of RPC programs that a first call may be for."""

_MOUNT = ("NULL", "MNT", "DUMP", "UMNT", "UMNTALL", "EXPORT", "EXPORTALL", "PATHCONF")

PROCEDURES: dict[tuple[int, int], tuple[str, ...]] = {
    (100000, 2): ("NULL", "SET", "UNSET", "GETPORT", "DUMP", "CALLIT"),
    (100000, 0): (
        "NULL", "SET", "UNSET", "GETADDR", "DUMP", "CALLIT", "GETTIME", "UADDR2TADDR", "TADDR2UADDR", "GETVERSADDR",
        "INDIRECT", "GETADDRLIST", "GETSTAT",
    ),
    (100003, 2): (
        "NULL", "GETATTR", "SETATTR", "ROOT", "LOOKUP", "READLINK", "READ", "WRITECACHE", "WRITE", "CREATE", "REMOVE",
        "RENAME", "LINK", "SYMLINK", "MKDIR", "RMDIR", "READDIR", "STATFS",
    ),
    (100003, 3): (
        "NULL", "GETATTR", "SETATTR", "LOOKUP", "ACCESS", "READLINK", "READ", "WRITE", "CREATE", "MKDIR", "SYMLINK",
        "MKNOD", "REMOVE", "RMDIR", "RENAME", "LINK", "READDIR", "READDIRPLUS", "FSSTAT", "FSINFO", "PATHCONF",
        "COMMIT",
    ),
    (100003, 4): ("NULL", "COMPOUND"),
    (100005, 0): _MOUNT,
    (100011, 0): ("NULL", "GETQUOTA", "GETACTIVEQUOTA", "SETQUOTA", "SETACTIVEQUOTA"),
    (100021, 0): (
        "NULL", "TEST", "LOCK", "CANCEL", "UNLOCK", "GRANTED", "TEST_MSG", "LOCK_MSG", "CANCEL_MSG", "UNLOCK_MSG",
        "GRANTED_MSG", "TEST_RES", "LOCK_RES", "CANCEL_RES", "UNLOCK_RES", "GRANTED_RES",
    ),
    (100024, 0): ("NULL", "STAT", "MON", "UNMON", "UNMON_ALL", "SIMU_CRASH", "NOTIFY"),
    (100227, 0): ("NULL", "GETACL", "SETACL", "GETATTR", "ACCESS", "GETXATTRDIR"),
}  # fmt: skip
"""Names of procedures by program and version; version 0 is all others."""

NFS4_OPERATIONS = {
    3: "ACCESS", 4: "CLOSE", 5: "COMMIT", 6: "CREATE", 7: "DELEGPURGE", 8: "DELEGRETURN", 9: "GETATTR", 10: "GETFH",
    11: "LINK", 12: "LOCK", 13: "LOCKT", 14: "LOCKU", 15: "LOOKUP", 16: "LOOKUPP", 17: "NVERIFY", 18: "OPEN",
    19: "OPENATTR", 20: "OPEN_CONFIRM", 21: "OPEN_DOWNGRADE", 22: "PUTFH", 23: "PUTPUBFH", 24: "PUTROOTFH",
    25: "READ", 26: "READDIR", 27: "READLINK", 28: "REMOVE", 29: "RENAME", 30: "RENEW", 31: "RESTOREFH",
    32: "SAVEFH", 33: "SECINFO", 34: "SETATTR", 35: "SETCLIENTID", 36: "SETCLIENTID_CONFIRM", 37: "VERIFY",
    38: "WRITE", 39: "RELEASE_LOCKOWNER", 40: "BACKCHANNEL_CTL", 41: "BIND_CONN_TO_SESSION", 42: "EXCHANGE_ID",
    43: "CREATE_SESSION", 44: "DESTROY_SESSION", 45: "FREE_STATEID", 46: "GET_DIR_DELEGATION", 47: "GETDEVICEINFO",
    48: "GETDEVICELIST", 49: "LAYOUTCOMMIT", 50: "LAYOUTGET", 51: "LAYOUTRETURN", 52: "SECINFO_NO_NAME",
    53: "SEQUENCE", 54: "SET_SSV", 55: "TEST_STATEID", 56: "WANT_DELEGATION", 57: "DESTROY_CLIENTID",
    58: "RECLAIM_COMPLETE", 59: "ALLOCATE", 60: "COPY", 61: "COPY_NOTIFY", 62: "DEALLOCATE", 63: "IO_ADVISE",
    64: "LAYOUTERROR", 65: "LAYOUTSTATS", 66: "OFFLOAD_CANCEL", 67: "OFFLOAD_STATUS", 68: "READ_PLUS", 69: "SEEK",
    70: "WRITE_SAME", 71: "CLONE", 72: "GETXATTR", 73: "SETXATTR", 74: "LISTXATTRS", 75: "REMOVEXATTR",
}  # fmt: skip

NFS4_SIZES: dict[int, tuple[int | str, ...]] = {
    3: (4,), 4: (20,), 5: (12,), 8: (16,), 9: ("bitmap",), 10: (), 11: ("new_name",), 15: ("name",), 16: (),
    20: (20,), 21: (28,), 22: ("opaque",), 23: (), 24: (), 25: (28,), 26: (24, "bitmap"), 27: (), 28: ("name",),
    29: ("name", "new_name"), 30: (8,), 31: (), 32: (), 33: ("name",), 34: (16, "bitmap", "opaque"), 36: (16,),
    38: (28, "opaque"), 44: (16,), 45: (16,), 52: (4,), 53: (32,), 57: (8,), 58: (4,),
}  # fmt: skip
"""Arguments of operations as steps: bytes to skip, a bitmap, an opaque, a name. Others end the reading."""

STATUS = {
    1: "PERM", 2: "NOENT", 5: "IO", 6: "NXIO", 11: "EAGAIN", 13: "ACCES", 17: "EXIST", 18: "XDEV", 19: "NODEV",
    20: "NOTDIR", 21: "ISDIR", 22: "INVAL", 27: "FBIG", 28: "NOSPC", 30: "ROFS", 31: "MLINK", 63: "NAMETOOLONG",
    66: "NOTEMPTY", 69: "DQUOT", 70: "STALE", 71: "REMOTE", 99: "WFLUSH", 10001: "BADHANDLE", 10002: "NOT_SYNC",
    10003: "BAD_COOKIE", 10004: "NOTSUPP", 10005: "TOOSMALL", 10006: "SERVERFAULT", 10007: "BADTYPE",
    10008: "DELAY", 10009: "SAME", 10010: "DENIED", 10011: "EXPIRED", 10012: "LOCKED", 10013: "GRACE",
    10014: "FHEXPIRED", 10015: "SHARE_DENIED", 10016: "WRONGSEC", 10017: "CLID_INUSE", 10020: "NOFILEHANDLE",
    10022: "STALE_CLIENTID", 10023: "STALE_STATEID", 10024: "OLD_STATEID", 10025: "BAD_STATEID", 10026: "BAD_SEQID",
    10027: "NOT_SAME", 10036: "BADXDR", 10044: "OP_ILLEGAL", 10052: "BADSESSION", 10063: "SEQ_MISORDERED",
}  # fmt: skip
"""Errors of NFS and MOUNT, without their prefix."""
