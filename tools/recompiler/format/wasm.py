"""WebAssembly modules at stage 8 (docs/format.md): bytes in, a refusal or nothing out.

The structural check looks at section frames, imports, exports and counts. Function bodies are validated in full once,
when a file is made (validate), and walked again by the stub before it compiles them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recompiler.errors import Error
from recompiler.format.source import BytesSource, Source, read

PREAMBLE: Final = b"\0asm\x01\0\0\0"
FUNCTION: Final = 0
MEMORY: Final = 2
MAX_EXPORT_KIND: Final = 4
LEB_MAX: Final = 5  # bytes of a LEB128 u32
# Rank of each non-custom section id in a module: 12 (data count) stands before 10 (code).
_RANK: Final = {id_: rank for rank, id_ in enumerate((1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11))}

# Type (docs/wasi.md) and the names of that type.
_WASI: Final = {
    "i(ii)": "args_get args_sizes_get environ_get environ_sizes_get clock_res_get fd_fdstat_get fd_fdstat_set_flags "
    "fd_filestat_get fd_prestat_get fd_renumber fd_tell random_get sock_shutdown",
    "i(iIi)": "clock_time_get",
    "i(iIIi)": "fd_advise fd_filestat_set_times",
    "i(iII)": "fd_allocate fd_fdstat_set_rights",
    "i(i)": "fd_close fd_datasync fd_sync proc_raise",
    "i(iI)": "fd_filestat_set_size",
    "i(iiiIi)": "fd_pread fd_pwrite fd_readdir",
    "i(iii)": "fd_prestat_dir_name path_create_directory path_remove_directory path_unlink_file sock_accept",
    "i(iiii)": "fd_read fd_write poll_oneoff",
    "i(iIii)": "fd_seek",
    "i(iiiii)": "path_filestat_get path_symlink sock_send",
    "i(iiiiIIi)": "path_filestat_set_times",
    "i(iiiiiii)": "path_link",
    "i(iiiiiIIii)": "path_open",
    "i(iiiiii)": "path_readlink path_rename sock_recv",
    "v(i)": "proc_exit",
    "i()": "sched_yield",
}
_SOCK: Final = {"i(iii)": "sock_open sock_connect sock_bind", "i(ii)": "sock_listen"}
# Module -> name -> type, of all that a guest may import.
IMPORTS: Final[dict[str, dict[str, str]]] = {
    module: {name: type_ for type_, names in table.items() for name in names.split()}
    for module, table in (("wasi_snapshot_preview1", _WASI), ("recompiler_sock_v1", _SOCK))
}


@dataclass(slots=True)
class _Cursor:
    """A place in the module, of which the bytes up to end are at hand; base is where data[0] stands in the module."""

    data: bytes
    base: int
    at: int = 0

    def fail(self, text: str) -> Error:
        return Error("E_WASM_SECTION", text, self.base + self.at)

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise self.fail("the section ends early")
        value = self.data[self.at]
        self.at += 1
        return value

    def u32(self) -> int:
        """LEB128, at most 5 bytes, the last one without bits over 32."""
        value = 0
        for shift in (0, 7, 14, 21, 28):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if shift == 28 and byte > 0x0F:
                    break
                return value
        raise self.fail("a number has more than 32 bits")

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise self.fail("a name passes the end of its section")
        part = self.data[self.at : self.at + size]
        self.at += size
        return part

    def finish(self, what: str) -> None:
        if self.at != len(self.data):
            raise self.fail(f"{len(self.data) - self.at} bytes are left over after the {what}")


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a section's contents stand in the module."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class _Module:
    source: Source
    offset: int
    size: int

    def cursor(self, at: int, size: int) -> _Cursor:
        """A cursor over at most size bytes of the module."""
        return _Cursor(read(self.source, self.offset + at, max(0, min(size, self.size - at))), at)

    def section(self, frame: _Frame | None, limit: int | None = None) -> _Cursor | None:
        """A cursor over a section's contents, or their first limit bytes."""
        if frame is None:
            return None
        return self.cursor(frame.offset, frame.size if limit is None else min(frame.size, limit))


def check(data: bytes | bytearray, *, executable: bool = True) -> None:
    """Stage 8 for a module in memory. Raises Error as check_at."""
    check_at(BytesSource(data), 0, len(data), executable=executable)


def check_at(source: Source, offset: int, size: int, *, executable: bool) -> None:
    """Stage 8 for a WASM section; a detached one (executable False) is looked at up to its preamble only.

    Raises Error: E_WASM_HEADER, E_WASM_SECTION, E_WASM_IMPORT, E_WASM_EXPORT, and the source's.
    """
    module = _Module(source, offset, size)
    if module.cursor(0, len(PREAMBLE)).data != PREAMBLE:
        raise Error("E_WASM_HEADER", "not a WebAssembly 1 module (a component, or no module at all)", 0)
    if not executable:
        return
    frames = _walk(module)
    _check_imports(module.section(frames.get(2)))
    functions = _count_functions(module.section(frames.get(3)))
    _check_exports(module.section(frames.get(7)))
    code = module.section(frames.get(10), LEB_MAX)
    bodies = code.u32() if code else 0
    if functions != bodies:
        raise Error("E_WASM_SECTION", f"{functions} functions have {bodies} bodies", code.base if code else size)


def _walk(module: _Module) -> dict[int, _Frame]:
    """Where each non-custom section is, once the frames tile the module in order."""
    frames: dict[int, _Frame] = {}
    last = -1
    start = len(PREAMBLE)
    while start < module.size:
        head = module.cursor(start, 1 + LEB_MAX)
        id_ = head.byte()
        if id_ > 12:
            raise Error("E_WASM_SECTION", f"unknown section id {id_}", start)
        size = head.u32()
        frame = _Frame(start + head.at, size)
        if size > module.size - frame.offset:
            raise Error("E_WASM_SECTION", f"section {id_} passes the end of the module", start)
        start = frame.offset + size
        if id_ == 0:
            name = module.cursor(frame.offset, min(size, LEB_MAX))
            if name.u32() > size - name.at:
                raise name.fail("the custom section's name passes its end")
            continue
        if _RANK[id_] <= last:
            raise Error("E_WASM_SECTION", f"section {id_} stands twice or out of order", frame.offset)
        last = _RANK[id_]
        frames[id_] = frame
    return frames


def _check_imports(body: _Cursor | None) -> None:
    if body is None:
        return
    for _ in range(body.u32()):
        start = body.base + body.at
        module = body.take(body.u32()).decode("utf-8", "replace")
        name = body.take(body.u32()).decode("utf-8", "replace")
        kind = body.byte()
        if kind != FUNCTION:
            raise Error("E_WASM_IMPORT", f"imports {_shown(module, name)}, which is not a function", start)
        if name not in IMPORTS.get(module, ()):
            raise Error("E_WASM_IMPORT", f"imports {_shown(module, name)}, which no stub provides", start)
        body.u32()
    body.finish("imports")


def _count_functions(body: _Cursor | None) -> int:
    if body is None:
        return 0
    count = body.u32()
    for _ in range(count):
        body.u32()
    body.finish("functions")
    return count


def _check_exports(body: _Cursor | None) -> None:
    found: set[tuple[bytes, int]] = set()
    for _ in range(body.u32() if body else 0):
        assert body is not None
        name = body.take(body.u32())
        kind = body.byte()
        if kind > MAX_EXPORT_KIND:
            raise body.fail(f"an export of kind {kind}")
        body.u32()
        if name in (b"_start", b"memory"):
            found.add((name, kind))
    if body is not None:
        body.finish("exports")
    for name, kind, what in ((b"_start", FUNCTION, "function"), (b"memory", MEMORY, "memory")):
        if (name, kind) not in found:
            raise Error("E_WASM_EXPORT", f"does not export the {what} `{name.decode()}`", body.base if body else 0)


def _shown(module: str, name: str) -> str:
    return ascii(f"{module}.{name}")[1:-1][:120]


def validate(data: bytes) -> None:
    """Validates every function body with wasmtime's validator, as is done once when a file is made.

    Raises Error: E_WASM_INVALID.
    """
    import wasmtime  # 40 ms: only what makes files pays for it

    try:
        wasmtime.Module.validate(wasmtime.Engine(), data)
    except wasmtime.WasmtimeError as e:
        reason = ascii(str(e).splitlines()[0] if str(e) else "")[1:-1]
        raise Error("E_WASM_INVALID", f"the module is not valid: {reason[:160]}") from None
