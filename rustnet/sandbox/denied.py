"""The system calls that are refused to processes of a live capture which need too many others for a list of those.

The process that holds the session runs DuckDB and Python; the probe asks the kernel about other processes. A refused
call fails with EPERM: a library that asks for something optional must not end a recording.
"""

from dataclasses import dataclass, replace

from rustnet.sandbox.calls import AF_UNIX, NEW_POWERS, SOCK_STREAM, SOCK_TYPE, Only

AF_NETLINK, AF_PACKET, SOCK_SEQPACKET = 16, 17, 5
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
WRITES = 3 | 0x40 | 0x200
"""Bits of the flags of ``open`` that let it write, create or cut: O_ACCMODE, O_CREAT, O_TRUNC."""


@dataclass(frozen=True, slots=True)
class Denied:
    """System calls that are refused for one reason."""

    why: str
    numbers: dict[str, tuple[int | None, int | None]]
    """By name, those of x86_64 and aarch64."""
    unless: tuple[Only, ...] = ()
    """All of these have to hold for one to be allowed; nothing: it never is."""


POWERS: tuple[Denied, ...] = (
    Denied("no program is started", {"execve": (59, 221), "execveat": (322, 281)}),
    Denied("threads and processes of its own only, in the same namespaces", {"clone": (56, 220)},
           (Only(0, (0,), NEW_POWERS),)),
    Denied("other processes stay as they are", {
        "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
        "process_madvise": (440, 440), "kcmp": (312, 272), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
        "pidfd_send_signal": (424, 424), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
        "rt_tgsigqueueinfo": (297, 240),
    }),
    Denied("no signal to others: 0 is the own group, and the filter adds the own number",
           {"kill": (62, 129), "tgkill": (234, 131)}, (Only(0, (0,)),)),
    Denied("the terminal gets no input", {"ioctl": (16, 29)}, (Only(1, (TIOCSTI, TIOCLINUX), none=True),)),
    Denied("file systems stay as they are", {
        "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
        "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431),
        "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "swapon": (167, 224),
        "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
        "fanotify_init": (300, 262), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    }),
    Denied("namespaces stay the same", {"unshare": (272, 97)}),
    Denied("the system stays as it is", {
        "reboot": (169, 142), "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170),
        "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266), "init_module": (175, 105),
        "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
        "kexec_file_load": (320, 294), "syslog": (103, 116), "iopl": (172, None), "ioperm": (173, None),
        "modify_ldt": (154, None), "vhangup": (153, 58),
    }),
    Denied("much of the kernel that nothing here uses", {
        "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "userfaultfd": (323, 282),
        "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
        "memfd_secret": (447, 447), "personality": (135, 92),
    }),
)  # fmt: skip
"""What is refused to both."""

WRITER: tuple[Denied, ...] = (
    *POWERS,
    Denied("no network: Unix sockets only, which are streams", {"socket": (41, 198), "socketpair": (53, 199)},
           (Only(0, (AF_UNIX,)), Only(1, (SOCK_STREAM, SOCK_SEQPACKET), SOCK_TYPE))),
    Denied("it answers others, and asks none: other programs' sockets would do work for it",
           {"connect": (42, 203)}),
    Denied("it does not enter other namespaces", {"setns": (308, 268)}),
    Denied("no eBPF, no tracing", {"bpf": (321, 280), "perf_event_open": (298, 241)}),
    Denied("no file without a name", {"memfd_create": (319, 279)}),
)  # fmt: skip
"""What is refused to the process that holds the session."""

PROBE: tuple[Denied, ...] = (
    *POWERS,
    Denied("rings, netlink and its own channels: nothing that leaves this machine", {"socket": (41, 198)},
           (Only(0, (AF_UNIX, AF_NETLINK, AF_PACKET)),)),
    Denied("it reads files, and writes none", {"openat": (257, 56)}, (Only(2, (0,), WRITES),)),
    Denied("the same, by its older name", {"open": (2, None)}, (Only(1, (0,), WRITES),)),
    Denied("no file or directory comes, goes or changes", {
        "creat": (85, None), "mkdir": (83, None), "mkdirat": (258, 34), "mknod": (133, None), "mknodat": (259, 33),
        "unlink": (87, None), "unlinkat": (263, 35), "rename": (82, None), "renameat": (264, 38),
        "renameat2": (316, 276), "link": (86, None), "linkat": (265, 37), "symlink": (88, None),
        "symlinkat": (266, 36), "rmdir": (84, None), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53),
        "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "truncate": (76, 45),
        "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
        "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    }),
)  # fmt: skip
"""What is refused to the probe, which keeps some capabilities."""

UNKNOWN: dict[str, tuple[int, int]] = {"clone3": (435, 435)}
"""Calls whose arguments lie in memory, where a filter does not see them: they fail as on a kernel without them
(ENOSYS), so that the C library uses the older ones."""
OPENAT2 = {"openat2": (437, 437)}
"""The same, for a process that opens files only to read."""


def of_process(table: tuple[Denied, ...], pid: int) -> tuple[Denied, ...]:
    """The table for one process, which may send itself signals."""
    own = (Only(0, (0, pid)),)
    return tuple(replace(each, unless=own) if "kill" in each.numbers else each for each in table)
