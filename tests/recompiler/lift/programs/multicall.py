"""In: sources with a main each. Out: one executable of them all; its first argument says whose main runs.

One lift and one compilation then serve for all, and one executable holds code of every optimisation level.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from recompiler.lift import lifter
from tests.recompiler.lift.programs.executable import Compiler, Executable, Lift, compile_

SOURCES: Final = Path(__file__).parent / "src"
LEVELS: Final = ("-O2", "-O0", "-O3", "-O1", "-Os")
MAIN: Final = """
#include <stdio.h>
#include <string.h>
{declarations}
int main(int argc, char **argv) {{
    static const struct {{ const char *name; int (*run)(int, char **); }} programs[] = {{ {rows} }};
    for (unsigned n = 0; n < sizeof programs / sizeof *programs; n++)
        if (argc > 1 && !strcmp(argv[1], programs[n].name))
            return programs[n].run(argc - 1, argv + 1);
    fputs("no such program\\n", stderr);
    return 64;
}}
"""


def source(name: str) -> Path:
    """The file of a program."""
    return next(path for path in (SOURCES / f"{name}.c", SOURCES / f"{name}.cc") if path.exists())


def link(
    folder: Path,
    sources: Sequence[Path],
    compiler: Compiler,
    *,
    pie: bool = False,
    first_level: int = 0,
    flags: Sequence[str] = (),
    lift: Lift = lifter.lift,
) -> Executable:
    """Compiles each source at one level, the next source at the next one, and links them."""
    folder.mkdir(parents=True)
    for number, path in enumerate(sources):
        level = folder / LEVELS[(number + first_level) % len(LEVELS)]
        level.mkdir(exist_ok=True)
        name = path.stem
        linkage = 'extern "C" ' if path.suffix == ".cc" else ""
        text = f'{linkage}int {name}_main(int, char **);\n#define main {name}_main\n#include "{path}"\n'
        (level / f"{name}_main{path.suffix}").write_text(text)
    position = ["-fPIE"] if pie else ["-fno-PIE"]
    for level in sorted(folder.iterdir()):
        for suffix in (".c", ".cc"):
            if found := sorted(level.glob(f"*{suffix}")):
                standard = "-std=c++20" if suffix == ".cc" else "-std=gnu17"
                words = [*position, level.name, standard, *flags, f"-I{SOURCES}", "-c", *found]
                compile_(compiler, words, cxx=suffix == ".cc", folder=level)
    objects = sorted(folder.glob("*/*.o"))
    declarations = "".join(f"int {path.stem}_main(int, char **);\n" for path in sources)
    rows = ", ".join(f'{{"{path.stem}", {path.stem}_main}}' for path in sources)
    (folder / "main.c").write_text(MAIN.format(declarations=declarations, rows=rows))
    compile_(compiler, [*position, "-O1", "-c", "main.c"], folder=folder)
    shape = ["-static-pie"] if pie else ["-static", "-no-pie"]
    words = [*shape, "main.o", *objects, "-lm", "-o", "programs"]
    compile_(compiler, words, cxx=any(path.suffix == ".cc" for path in sources), folder=folder)
    return Executable(folder / "programs", lift)
