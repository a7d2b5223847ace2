"""In: the C and Zig sources. Out: the cffi extension recompiler._native, and the loader stubs.

    python csrc/build.py [native] [stubs] [engine] [lifted] [x87] [fuzz]        (nothing named: all but fuzz)

WINGS below says which folders of csrc/ each product is made of. The compiler is PyPI's ziglang: no gcc and no root
needed. The same inputs give the same bytes; a target whose inputs have not changed is left alone.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
LOADER = ROOT / "loader"
BUILD = Path(os.environ.get("RECOMPILER_BUILD_DIR", ROOT / "build"))
PACKAGE = ROOT / "tools" / "recompiler"
VERSION = "0.1.0"

# A product is made of whole wings: folders of csrc/ whose *.c files all belong to it. tests/house holds which
# wing may use which.
WINGS = {
    "native": ("base", "format", "wire"),
    "stub": ("base", "format", "wasi", "wire", "sandbox"),
    "rc-engine": (
        "base",
        "format",
        "wasi",
        "sandbox",
        "engine",
        "engine/control",
        "engine/wasmtime",
        "engine/kind/wasi",
        "engine/linux/wasi",
    ),
    "rc-lifted": ("base", "sandbox", "engine/lifted", "engine/wasmtime", "engine/kind/lifted", "engine/linux/lifted"),
    "vkexec": ("base", "sandbox", "wire", "vkexec"),
}
# Linked into the extension alone, on x86-64.
WIDE = CSRC / "base" / "blake3_avx2.c"
# The headers that recompiler._native binds.
BINDING = ("base/base.h", "format/format.h", "wire/sock.h")
WASM3 = ("pywasm3", "0.5.0")
# Seen by wasm3 and by loader/interpreter.c, which shares its structures.
WASM3_DEFINES = ["-Dd_m3VerboseErrorMessages=0"]

WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
RELEASE = [
    "-O2",
    "-g0",
    "-fno-sanitize=undefined",
    "-ffunction-sections",
    "-fdata-sections",
    "-fstack-protector-strong",
]
# The stub: 250 KB at most, and nothing unwinds it.
SMALL = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
# Bytes per second matter to BLAKE3 alone: Ed25519 is a third of the size at the same speed.
CRYPTO = {"blake3": "ReleaseFast", "ed25519": "ReleaseSmall"}
# The lowest CPU a target must have; SSE4.1 is worth 1.3x to BLAKE3.
CPU = {"x86_64": "x86_64_v2", "aarch64": "generic"}
STUB_TARGETS = ("x86_64-linux", "aarch64-linux")


class BuildError(Exception):
    """A build step failed; the message is for the person who typed make."""


def run(command: Sequence[str | Path], what: str) -> None:
    """Runs one build step; its output is shown only when it fails."""
    result = subprocess.run([str(c) for c in command], cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise BuildError(f"{what} failed:\n{result.stdout}{result.stderr}")


def zig(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "ziglang", *arguments]


def say(text: str) -> None:
    print(f"build: {text}", flush=True)


def digest(inputs: Iterable[Path], *words: str) -> str:
    """Names a target's state: every input's bytes, this script, the compiler's version, the flags."""
    import importlib.metadata

    h = hashlib.blake2b(digest_size=16)
    for word in (importlib.metadata.version("ziglang"), sys.version, *words):
        h.update(word.encode() + b"\0")
    for path in [Path(__file__), *sorted(inputs)]:
        data = path.read_bytes()
        h.update(f"{path.name} {len(data)}\0".encode() + data)
    return h.hexdigest()


def make(output: Path, inputs: Iterable[Path], words: Sequence[str], step: Callable[[Path], None]) -> None:
    """Runs step(temporary path) and renames the result to output, unless the inputs are those of last time."""
    stamp = BUILD / "stamps" / ("-".join(output.parts[-2:]) + ".stamp")
    state = digest(inputs, *words)
    if output.exists() and stamp.exists() and stamp.read_text() == state:
        return
    say(f"{output.relative_to(ROOT) if output.is_relative_to(ROOT) else output}")
    output.parent.mkdir(parents=True, exist_ok=True)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".build-") as scratch:
        partial = Path(scratch) / output.name
        step(partial)
        os.replace(partial, output)
    stamp.write_text(state)


def sources_of(product: str) -> list[Path]:
    """The C files of a product's wings, in an order that is the same everywhere."""
    return [path for wing in WINGS[product] for path in sorted((CSRC / wing).glob("*.c")) if path != WIDE]


def headers() -> list[Path]:
    return [*CSRC.rglob("*.h"), *LOADER.glob("*.h")]


def crypto_object(arch: str, abi: str) -> Path:
    """BLAKE3 and Ed25519 of Zig's standard library, as an archive with a C ABI."""
    output = BUILD / f"crypto-{arch}-{abi}.a"

    def step(partial: Path) -> None:
        target = ["-target", f"{arch}-linux-{abi}", f"-mcpu={CPU[arch]}"]
        flags = ["-fstrip", "-fPIC", "-ffunction-sections", "-fno-unwind-tables"]
        objects = []
        for name, mode in CRYPTO.items():
            item = partial.parent / f"{name}.o"
            run(
                zig("build-obj", "-O", mode, *flags, *target, CSRC / "base" / f"{name}.zig", f"-femit-bin={item}"),
                item.name,
            )
            objects.append(item)
        run(zig("ar", "rcs", partial, *objects), partial.name)

    make(output, crypto_sources(), [arch, abi, *CRYPTO.values()], step)
    return output


def wide_blake3(arch: str, abi: str) -> tuple[list[Path], list[str]]:
    """(inputs, link flags) of the AVX2 build of BLAKE3 and what chooses it at run time: the extension's, on x86-64."""
    if arch != "x86_64":
        return [], []
    output = BUILD / f"blake3-avx2-{abi}.o"

    def step(partial: Path) -> None:
        flags = ["-O", CRYPTO["blake3"], "-fstrip", "-fPIC", "-target", f"{arch}-linux-{abi}", "-mcpu=x86_64_v3"]
        run(zig("build-obj", *flags, CSRC / "base" / "blake3.zig", f"-femit-bin={partial}"), output.name)

    make(output, [CSRC / "base" / "blake3.zig"], [arch, abi], step)
    functions = ("rc_blake3", "rc_blake3_init", "rc_blake3_update", "rc_blake3_final")
    return [WIDE, output], [f"-Wl,--wrap={name}" for name in functions]


def crypto_sources() -> list[Path]:
    return [CSRC / "base" / f"{name}.zig" for name in CRYPTO]


def cdef() -> str:
    """What stands between the cffi marks of the two headers: the header text is the binding."""
    parts = []
    for name in BINDING:
        found = re.search(r"/\* cffi: begin \*/(.*)/\* cffi: end \*/", (CSRC / name).read_text(), re.S)
        if not found:
            raise BuildError(f"csrc/{name} has no cffi marks")
        parts.append(found.group(1))
    return "".join(parts)


def native() -> None:
    """tools/recompiler/_native.abi3.so: the C library as a cffi API-mode extension."""
    include = Path(sysconfig.get_paths()["include"])
    if not (include / "Python.h").exists():
        raise BuildError(f"Python's headers are missing ({include}/Python.h): apt-get install python3-dev")
    import cffi

    arch = platform.machine()
    if arch not in CPU:
        raise BuildError(f"no build for {arch}: {', '.join(CPU)} only")
    abi = libc_abi()
    sources = sources_of("native")
    output = PACKAGE / "_native.abi3.so"

    def step(partial: Path) -> None:
        ffi = cffi.FFI()
        ffi.cdef(cdef())
        ffi.set_source("recompiler._native", "".join(f'#include "{name}"\n' for name in BINDING))
        wrapper = partial.parent / "_native.c"
        with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):  # it says that it generates
            ffi.emit_c_code(str(wrapper))
        target = ["-target", f"{arch}-linux-{abi}", f"-mcpu={CPU[arch]}"]
        flags = [*RELEASE, "-fPIC", f"-I{CSRC}", f"-I{include}"]
        # The generated wrapper is not ours to warn about. Debian's pyconfig.h includes a file beside its folder.
        run(
            zig(
                "cc",
                *target,
                *flags,
                "-w",
                "-idirafter",
                include.parent,
                "-c",
                wrapper,
                "-o",
                partial.parent / "_native.o",
            ),
            "the cffi wrapper",
        )
        wide, wrap = wide_blake3(arch, abi)
        objects = [partial.parent / "_native.o", crypto_object(arch, abi), *wide]
        link = ["-shared", "-s", "-Wl,--gc-sections", "-Wl,-z,relro,-z,now", *wrap]
        run(zig("cc", *target, *WARNINGS, *flags, *link, *sources, *objects, "-o", partial), "the extension")

    inputs = [*sources, *headers(), *crypto_sources(), WIDE]
    make(output, inputs, [arch, abi, *RELEASE, *WARNINGS], step)


def wasm3_sources() -> Path:
    """wasm3's C out of the pinned pywasm3 sdist: fetched once, hash-checked by pip, unpacked under build/."""
    name, version = WASM3
    folder = BUILD / f"{name}-{version}" / "wasm3"
    if folder.is_dir():
        return folder
    say(f"fetching wasm3's C sources ({name} {version}, once)")
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes"]
        requirement = ["-r", CSRC / "wasm3.lock"]
        run([sys.executable, "-m", "pip", "download", *options, *requirement, "-d", scratch], "pip download pywasm3")
        sources = Path(scratch) / "wasm3"
        sources.mkdir()
        with tarfile.open(next(Path(scratch).glob("*.tar.gz"))) as archive:
            for member in archive:
                if (stream := archive.extractfile(member)) and Path(member.name).parent.name == sources.name:
                    (sources / Path(member.name).name).write_bytes(stream.read())
        folder.parent.mkdir(exist_ok=True)
        os.replace(sources, folder)
    return folder


def stub(target: str, development: bool) -> None:
    """tools/recompiler/stubs/stub-TARGET[-dev]: the static loader."""
    arch = target.split("-", maxsplit=1)[0]
    wasm3 = wasm3_sources()
    ours = [*sources_of("stub"), *sorted(LOADER.glob("*.c"))]
    theirs = sorted(wasm3.glob("m3_*.c"))
    output = PACKAGE / "stubs" / f"stub-{target}{'-dev' if development else ''}"
    defines = [f'-DRECOMPILER_VERSION="{VERSION}"', f'-DRECOMPILER_TARGET="{target}"']
    if development:
        defines.append("-DRECOMPILER_DEVELOPMENT")

    def step(partial: Path) -> None:
        platform_flags = ["-target", f"{arch}-linux-musl", f"-mcpu={CPU[arch]}"]
        # One relocatable object for wasm3: its warnings are not ours, and its allocator is fenced (loader/fence.c).
        fence = ["-Dcalloc=rc_fence_calloc", "-Drealloc=rc_fence_realloc", "-Dfree=rc_fence_free"]
        # -O2 makes wasm3's operations jump to one another (tail calls); a stack protector would undo that.
        wasm3_flags = [*RELEASE, *SMALL, "-w", "-fno-stack-protector", *WASM3_DEFINES]
        objects = []
        for source in theirs:
            item = partial.parent / (source.stem + ".o")
            fenced = [*fence, "-include", LOADER / "fence.h"] if source.name == "m3_core.c" else []
            run(zig("cc", *platform_flags, *wasm3_flags, *fenced, "-c", source, "-o", item), source.name)
            objects.append(item)
        flags = [*WARNINGS, *RELEASE, *SMALL, "-Os", *defines, f"-I{CSRC}", f"-I{LOADER}"]
        flags += [*WASM3_DEFINES, "-isystem", str(wasm3)]
        for source in ours:
            item = partial.parent / f"{source.parent.name}-{source.stem}.o"
            run(zig("cc", *platform_flags, *flags, "-c", source, "-o", item), source.name)
            objects.append(item)
        # The flags of the link are those of Zig's own memset and memcpy too: -Os would make them loops over bytes.
        link = ["-O2", *SMALL, "-static", "-s", "-Wl,--gc-sections", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack"]
        crypto = crypto_object(arch, "musl")
        run(zig("cc", *platform_flags, *link, *objects, crypto, "-o", partial), output.name)

    words = [target, *defines, *RELEASE, *SMALL, *WASM3_DEFINES, *WARNINGS]
    make(output, [*ours, *theirs, *headers(), *crypto_sources()], words, step)


def stubs() -> None:
    for target in STUB_TARGETS:
        for development in (False, True):
            stub(target, development)


def wasmtime_library() -> Path:
    """The C embedding inside wasmtime's wheel."""
    import wasmtime

    return Path(wasmtime.__file__).parent / f"linux-{platform.machine()}" / "_libwasmtime.so"


def engine() -> None:
    """tools/recompiler/engine/rc-engine: the worker that runs AOT bundles; vkexec, its smallest client."""
    sys.path.insert(0, str(ROOT / "tools"))
    from recompiler import aot

    library = wasmtime_library()
    arch, abi = platform.machine(), libc_abi()
    if not library.exists() or abi != "gnu":
        say(f"engine: left out, wasmtime's wheel has no library for {arch} and {abi}")
        return
    settings = BUILD / "engine" / "engine_settings.h"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(aot.header())
    sources = sources_of("rc-engine")
    output = PACKAGE / "engine" / "rc-engine"
    # Found where it was linked, and where the wheel lies beside this package.
    path = [f"-Wl,-rpath,{library.parent}", f"-Wl,-rpath,$ORIGIN/../../wasmtime/{library.parent.name}"]
    target = ["-target", f"{arch}-linux-{abi}", f"-mcpu={CPU[arch]}"]
    flags = [*WARNINGS, *RELEASE, f"-I{CSRC}", f"-I{settings.parent}"]
    link = [f"-L{library.parent}", "-l:_libwasmtime.so", *path, "-s", "-Wl,--gc-sections", "-Wl,-z,relro,-z,now"]

    def step(partial: Path) -> None:
        crypto = crypto_object(arch, abi)
        run(zig("cc", *target, *flags, *sources, crypto, *link, "-o", partial), "rc-engine")

    inputs = [*sources, *headers(), settings, *crypto_sources()]
    make(output, inputs, [*target, *flags, *link], step)

    client = sources_of("vkexec")
    static = ["-target", f"{arch}-linux-musl", f"-mcpu={CPU[arch]}", *WARNINGS, *RELEASE, *SMALL, "-static", "-s"]

    def link_client(partial: Path) -> None:
        run(zig("cc", *static, f"-I{CSRC}", "-Wl,--gc-sections", *client, "-o", partial), "vkexec")

    make(output.with_name("vkexec"), [*client, *headers()], static, link_client)


def lifted() -> None:
    """tools/recompiler/engine/rc-lifted: the host of lifted x86-64 Linux programs."""
    sys.path.insert(0, str(ROOT / "tools"))
    from recompiler import aot

    library, arch = wasmtime_library(), platform.machine()
    if not library.exists() or libc_abi() != "gnu" or arch != "x86_64":
        say(f"rc-lifted: left out, its syscalls are those of x86-64, this is {arch}")
        return
    settings = BUILD / "lifted" / "engine_settings.h"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(aot.header())
    sources = sources_of("rc-lifted")
    flags = [
        "-target",
        f"{arch}-linux-gnu",
        f"-mcpu={CPU[arch]}",
        *WARNINGS,
        *RELEASE,
        f"-I{CSRC}",
        f"-I{settings.parent}",
    ]
    path = [f"-Wl,-rpath,{library.parent}", f"-Wl,-rpath,$ORIGIN/../../wasmtime/{library.parent.name}"]
    link = [f"-L{library.parent}", "-l:_libwasmtime.so", *path, "-s", "-Wl,--gc-sections", "-Wl,-z,relro,-z,now"]

    def step(partial: Path) -> None:
        run(zig("cc", *flags, *sources, *link, "-o", partial), "rc-lifted")

    inputs = [*sources, *headers(), settings]
    make(PACKAGE / "engine" / "rc-lifted", inputs, [*flags, *link], step)


def x87() -> None:
    """tools/recompiler/engine/x87.wasm: the x87 unit, whose functions the lifter links into what it lifts."""
    folder = CSRC / "x87"
    target = ["-target", "wasm32-freestanding", "-mcpu=mvp+wide_arithmetic+bulk_memory+sign_ext", "--stack", "4096"]
    flags = ["-O", "ReleaseFast", "-fno-entry", "-rdynamic", "-fstrip", *target]

    def step(partial: Path) -> None:
        run(zig("build-exe", *flags, folder / "x87.zig", f"-femit-bin={partial}"), "x87.wasm")

    make(PACKAGE / "engine" / "x87.wasm", [*folder.glob("*.zig")], flags, step)


def libc_abi() -> str:
    return "gnu" if platform.libc_ver()[0] == "glibc" else "musl"


def sanitizers() -> Iterable[tuple[str, list[str | Path]]]:
    """(name, compiler and flags) of each set of sanitizers this machine has; says aloud which these are."""
    undefined = ["-fsanitize=undefined", "-fno-sanitize-trap=undefined", "-fsanitize-coverage=trace-pc-guard"]
    say("fuzz: UndefinedBehaviorSanitizer (zig cc)")
    yield "ubsan", [*zig("cc"), "-target", f"{platform.machine()}-linux-{libc_abi()}", *undefined]

    both = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    for name, coverage in (("clang", "trace-pc-guard"), ("gcc", "trace-pc")):
        if (compiler := shutil.which(name)) and links([compiler, *both]):
            say(f"fuzz: AddressSanitizer and UndefinedBehaviorSanitizer ({compiler})")
            yield "asan", [compiler, *both, f"-fsanitize-coverage={coverage}"]
            return
    say("fuzz: no AddressSanitizer: for it, install Debian's package gcc or clang (apt-get install gcc)")


def links(command: Sequence[str | Path]) -> bool:
    """Whether this compiler makes programs with these flags here: sanitizers' libraries may be missing."""
    with tempfile.TemporaryDirectory() as scratch:
        probe = Path(scratch) / "probe.c"
        probe.write_text("int main(void) { return 0; }\n")
        linking = [*command, probe, "-o", probe.with_suffix("")]
        return subprocess.run(linking, capture_output=True, check=False).returncode == 0


def fuzz_with(name: str, compiler: list[str | Path]) -> None:
    """build/fuzz/NAME/fuzz_X for each csrc/fuzz/fuzz_X.c: the library instrumented, the driver not."""
    library = sources_of("stub")
    driver = CSRC / "fuzz" / "driver.c"
    crypto = crypto_object(platform.machine(), libc_abi())
    archive = BUILD / "fuzz" / name / "library.a"
    command = [*compiler, *WARNINGS, "-O1", "-g", "-fno-omit-frame-pointer", f"-I{CSRC}"]
    plain = [flag for flag in command if not str(flag).startswith("-fsanitize-coverage")]

    def compile_library(partial: Path) -> None:
        objects = [partial.parent / f"{source.parent.name}-{source.stem}.o" for source in library]
        for source, item in zip(library, objects, strict=True):
            run([*command, "-c", source, "-o", item], source.name)
        run(zig("ar", "rcs", partial, *objects), partial.name)

    def link_target(target: Path, partial: Path) -> None:
        ours, theirs = partial.with_suffix(".o"), partial.with_suffix(".driver.o")
        run([*command, "-c", target, "-o", ours], target.name)
        run([*plain, "-c", driver, "-o", theirs], driver.name)
        wrap = ["-Wl,--wrap=rc_ed25519_verify"] if target.stem == "fuzz_trailer" else []
        run([*plain, *wrap, ours, theirs, archive, crypto, "-o", partial], target.stem)

    words = [str(word) for word in command]
    make(archive, [*library, *headers()], words, compile_library)
    for target in sorted(driver.parent.glob("fuzz_*.c")):
        inputs = [target, driver, archive, crypto, *headers(), *driver.parent.glob("*.h")]
        make(archive.with_name(target.stem), inputs, words, functools.partial(link_target, target))


def fuzz() -> None:
    for name, compiler in sanitizers():
        fuzz_with(name, compiler)


STEPS: dict[str, Callable[[], None]] = {
    "native": native,
    "stubs": stubs,
    "engine": engine,
    "lifted": lifted,
    "x87": x87,
    "fuzz": fuzz,
}


def main(arguments: Sequence[str]) -> int:
    names = list(arguments) or ["native", "stubs", "engine", "lifted", "x87"]
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        print(f"build: no step {unknown[0]!r}; there are: {', '.join(STEPS)}", file=sys.stderr)
        return 2
    if not (BUILD / "stamps").exists():
        say("the first build compiles each target's libc too: one to four minutes, once")
    try:
        for name in names:
            STEPS[name]()
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
