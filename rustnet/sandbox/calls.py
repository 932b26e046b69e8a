"""The system calls of a process that parses, each with the reason for it; every other one is refused.

The list comes from traces of replays, which a test repeats. Numbers are those of x86_64 and aarch64.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Only:
    """A condition on an argument: its lower 32 bits, masked, are one of some values, or none of them."""

    argument: int
    """Index of the argument, from 0."""
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    none: bool = False
    """None of the values."""


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that is allowed."""

    name: str
    x86_64: int | None
    aarch64: int | None
    why: str
    only: tuple[Only, ...] = ()
    """All of these have to hold; otherwise the call fails with EPERM."""
    worker: bool = True
    """Workers, which get batches in shared memory and no input, need it too."""
    rare: bool = False
    """Not in every trace: depends on the input, the versions of Python and the C library, or chance."""
    files: bool = False
    """Only a process that reads files needs it."""
    rings: bool = False
    """Only a process that reads packets from rings needs it."""


PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_SECCOMP = 1, 15, 22
F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC = 1, 2, 3, 1030
PROT_EXEC = 4
AF_UNIX = SOCK_STREAM = 1
SOCK_TYPE = 0xF
"""Bits of the type of a socket, without its flags."""
NEW_POWERS = 0x7E020000 | 0x80 | 0x2000 | 0x8000
"""Flags of ``clone``: namespaces, tracing, and children of the parent."""

FIONBIO, SIOCGIFNAME = 0x5421, 0x8910
SOL_SOCKET, SO_ERROR, SO_SNDBUF, SOL_PACKET, PACKET_STATISTICS = 1, 4, 7, 263, 6

NO_CODE = (Only(2, (0,), PROT_EXEC),)

ALLOWED: tuple[Call, ...] = (
    # Memory.
    Call("brk", 12, 214, "the heap"),
    Call("mmap", 9, 222, "the heap, stacks of threads, memory shared with workers; no code", NO_CODE),
    Call("munmap", 11, 215, "the heap, memory shared with workers"),
    Call("mprotect", 10, 226, "guard pages of stacks; no code", NO_CODE, rare=True),
    Call("mremap", 25, 216, "large arrays that grow", rare=True),
    Call("madvise", 28, 233, "stacks of threads that ended, freed memory", rare=True),
    # Threads: one hashes, one unpacks.
    Call("futex", 202, 98, "locks"),
    Call("clone3", 435, 435, "refused as unknown, so that the C library uses clone", (Only(0, ()),), worker=False),
    Call("clone", 56, 220, "threads, and the workers", (Only(0, (0,), NEW_POWERS),), worker=False),
    Call("set_robust_list", 273, 99, "start of a thread or worker"),
    Call("rseq", 334, 293, "start of a thread", worker=False, rare=True),
    Call("gettid", 186, 178, "identity of a thread", rare=True),
    Call("sched_yield", 24, 124, "waiting for a lock", rare=True),
    Call("exit", 60, 93, "end of a thread", worker=False),
    # Signals and the end.
    Call("rt_sigaction", 13, 134, "signals to ignore"),
    Call("rt_sigprocmask", 14, 135, "start of a thread", rare=True),
    Call("rt_sigreturn", 15, 139, "return from a handler of Python", rare=True),
    Call("restart_syscall", 219, 128, "a wait that a stop of the process interrupted", rare=True),
    Call("prctl", 157, 167, "end with the parent; name of a thread; a narrower filter for workers",
         (Only(0, (PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_SECCOMP)),)),
    Call("getpid", 39, 172, "parent of the workers", rare=True),
    Call("getppid", 110, 173, "whether the parent still exists"),
    Call("wait4", 61, 260, "end of the workers", worker=False, rare=True),
    Call("exit_group", 231, 94, "the end"),
    # Time and chance.
    Call("clock_gettime", 228, 113, "time, where it is not answered without the kernel", rare=True),
    Call("clock_nanosleep", 230, 115, "pauses while the ring is full", rare=True),
    Call("nanosleep", 35, 101, "the same in other C libraries", rare=True),
    Call("getrandom", 318, 278, "names of temporary objects, seeds of libraries", rare=True),
    # The input.
    Call("read", 0, 63, "the input", worker=False, files=True),
    Call("pread64", 17, 67, "looking ahead in the input", worker=False, rare=True, files=True),
    Call("lseek", 8, 62, "position in the input", worker=False, files=True),
    Call("fstat", 5, 80, "size of the input; whether a ring can be mapped", worker=False, rare=True),
    Call("newfstatat", 262, 79, "the same in older C libraries", worker=False, rare=True),
    Call("fadvise64", 221, 223, "reading ahead", worker=False, files=True),
    Call("pwrite64", 18, 68, "packets to the files of a recording; no ring takes it", worker=False, rare=True),
    Call("fcntl", 72, 25, "a second descriptor of the input, to look at its beginning; that of a mapped ring",
         (Only(1, (F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL)),), worker=False, rare=True),
    Call("close", 3, 57, "the input; ends of channels that others use"),
    Call("close_range", 436, 436, "descriptors that workers do not need", rare=True, files=True),
    # Sockets that it was started with, and those to its workers.
    Call("recvmsg", 47, 212, "commands, with descriptors of inputs", worker=False),
    Call("sendto", 44, 206, "rows; connected sockets only", worker=False),
    Call("sendmsg", 46, 211, "messages to and from workers"),
    Call("recvfrom", 45, 207, "messages to and from workers"),
    Call("poll", 7, None, "waiting for the input, workers, and the end of the reader", rare=True),
    Call("ppoll", 271, 73, "the same on aarch64", rare=True),
    Call("setsockopt", 54, 208, "size of the buffer of a channel",
         (Only(1, (SOL_SOCKET,)), Only(2, (SO_SNDBUF,))), worker=False, files=True),
    Call("getsockname", 51, 204, "channels to workers; whether the interface of a ring exists", worker=False,
         rare=True),
    Call("socketpair", 53, 199, "channels to workers: pairs of this process, never a way out",
         (Only(0, (AF_UNIX,)), Only(1, (SOCK_STREAM,), SOCK_TYPE)), worker=False, rare=True,
         files=True),
    # Rings of packets that another process opened.
    Call("ioctl", 16, 29, "a ring's socket does not block; the name of its interface",
         (Only(1, (FIONBIO, SIOCGIFNAME)),), worker=False, rings=True),
    Call("getsockopt", 55, 209, "counters of a ring, and what is wrong with its interface; nothing of other sockets",
         (Only(1, (SOL_SOCKET, SOL_PACKET)), Only(2, (SO_ERROR, PACKET_STATISTICS))), worker=False, rings=True),
)  # fmt: skip
"""What is allowed. Of files there is nothing but the descriptors at hand; ``newfstatat`` may learn that a path exists
and how large it is, never what is in it."""


def guarded(call: Call, channels: tuple[int, ...]) -> Call:
    """A call of a process whose rings can send packets too: it sends on ``channels`` only, which stay what they are."""
    if call.name in {"sendto", "sendmsg"}:
        return replace(call, only=(*call.only, Only(0, channels)))
    if call.name == "close":
        return replace(call, only=(*call.only, Only(0, channels, none=True)))
    if call.name == "fcntl":
        return replace(call, only=(*call.only, Only(2, (0,))))
    return call


FATAL: dict[str, tuple[int, int]] = {
    "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "socket": (41, 198), "connect": (42, 203), "bind": (49, 200),
    "listen": (50, 201), "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438), "setns": (308, 268), "unshare": (272, 97), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429), "fsopen": (430, 430), "bpf": (321, 280),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "perf_event_open": (298, 241), "io_uring_setup": (425, 425), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "userfaultfd": (323, 282), "open_by_handle_at": (304, 265), "memfd_create": (319, 279),
}  # fmt: skip
"""Calls that nothing which parses has a use for: the process that tries one is ended."""

SINCE = 424
"""First number of the calls that all architectures share. Unknown ones from here on fail as on a kernel without them
(ENOSYS), so that the C library does what it does there; older ones fail with EPERM."""
