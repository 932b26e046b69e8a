"""The few functions of libbpf (version 1) that load an object, attach its programs and read its ring buffer."""

from __future__ import annotations

import ctypes
import errno
from typing import Any, Callable

from rustnet.probe.ebpf.reasons import UnavailableError

LIBRARY = "libbpf.so.1"
AT_ONCE = 4096
"""Records that are read in one call."""
_POINTER, _INT, _SIZE, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p
_TAKES_RECORD = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _SIZE)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "libbpf_set_print": (_POINTER, [_POINTER]),
    "bpf_object__open_mem": (_POINTER, [_TEXT, _SIZE, _POINTER]),
    "bpf_object__load": (_INT, [_POINTER]),
    "bpf_object__close": (None, [_POINTER]),
    "bpf_object__next_program": (_POINTER, [_POINTER, _POINTER]),
    "bpf_object__find_map_fd_by_name": (_INT, [_POINTER, _TEXT]),
    "bpf_program__name": (_TEXT, [_POINTER]),
    "bpf_program__section_name": (_TEXT, [_POINTER]),
    "bpf_program__set_autoload": (_INT, [_POINTER, ctypes.c_bool]),
    "bpf_program__autoload": (ctypes.c_bool, [_POINTER]),
    "bpf_program__attach": (_POINTER, [_POINTER]),
    "bpf_link__destroy": (_INT, [_POINTER]),
    "ring_buffer__new": (_POINTER, [_INT, _TAKES_RECORD, _POINTER, _POINTER]),
    "ring_buffer__epoll_fd": (_INT, [_POINTER]),
    "ring_buffer__consume": (_INT, [_POINTER]),
    "ring_buffer__free": (None, [_POINTER]),
}


def open_library(name: str = LIBRARY) -> Any:
    """The library with its functions declared; raises `UnavailableError` if there is none."""
    try:
        library = ctypes.CDLL(name, use_errno=True)
        for function, (result, arguments) in _FUNCTIONS.items():
            declared = getattr(library, function)
            declared.restype, declared.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise UnavailableError("no-library", str(error)) from None
    library.libbpf_set_print(None)  # what it would write to standard error
    return library


class LoadError(Exception):
    """An object could not be loaded, or not attached: the system's error number."""

    def __init__(self, code: int, attaching: bool = False) -> None:
        super().__init__(code, attaching)
        self.code, self.attaching = code, attaching


class LoadedObject:
    """An object whose programs are attached, and whose ring buffer can be read."""

    def __init__(self, library: Any, content: bytes, wanted: Callable[[str], bool], ring: str) -> None:
        self.library = library
        self.records: list[bytes] = []
        self.links: list[int] = []
        self.ring: int | None = None
        self.programs: set[str] = set()
        """Names of the programs that are attached."""
        self.object: int | None = library.bpf_object__open_mem(content, len(content), None)
        if not self.object:
            raise LoadError(ctypes.get_errno() or errno.EINVAL)
        self._take = _TAKES_RECORD(self._record)  # as long as the library may call it
        try:
            self._load(wanted, ring)
        except LoadError:
            self.close()
            raise

    def _load(self, wanted: Callable[[str], bool], ring: str) -> None:
        library = self.library
        programs = []
        program = library.bpf_object__next_program(self.object, None)
        while program:
            if wanted(library.bpf_program__section_name(program).decode()):
                programs.append(program)
            else:
                library.bpf_program__set_autoload(program, False)
            program = library.bpf_object__next_program(self.object, program)
        result = library.bpf_object__load(self.object)
        if result:
            raise LoadError(-result)
        for program in programs:
            link = library.bpf_program__attach(program)
            if not link:
                raise LoadError(ctypes.get_errno(), attaching=True)
            self.links.append(link)
            self.programs.add(library.bpf_program__name(program).decode())
        self.ring = library.ring_buffer__new(self.map(ring), self._take, None, None)
        if not self.ring:
            raise LoadError(ctypes.get_errno())
        self.descriptor: int = library.ring_buffer__epoll_fd(self.ring)

    def map(self, name: str) -> int:
        """Descriptor of a map."""
        return int(self.library.bpf_object__find_map_fd_by_name(self.object, name.encode()))

    def _record(self, _context: int, data: int, size: int) -> int:
        self.records.append(ctypes.string_at(data, size))
        return -errno.EINTR if len(self.records) >= AT_ONCE else 0

    def read(self) -> list[bytes]:
        """Records that have come since the last call, at most `AT_ONCE`."""
        self.library.ring_buffer__consume(self.ring)
        taken, self.records = self.records, []
        return taken

    def close(self) -> None:
        """Detach and unload everything."""
        library = self.library
        if self.ring:
            library.ring_buffer__free(self.ring)
        for link in self.links:
            library.bpf_link__destroy(link)
        if self.object:
            library.bpf_object__close(self.object)
        self.ring, self.object, self.links = None, None, []
