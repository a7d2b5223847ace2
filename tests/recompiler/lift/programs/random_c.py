"""In: a seed. Out: a C program of random control flow without undefined behaviour, that prints what it computed.

Loops and calls spend fuel, so that every flow ends; labels stand at any depth and gotos lead to any of them, so that
the flow is often irreducible. It is compiled with -fwrapv; shifts, quotients, indices and conversions are bounded by
the macros at its head.
"""

from __future__ import annotations

import random
from typing import Final

FLAGS: Final = ("-fwrapv", "-fno-strict-aliasing")
HEAD: Final = """
#include <stdint.h>
#include <stdio.h>
#include <string.h>
typedef unsigned __int128 u128;
typedef __int128 i128;
typedef long double f80;
#define DIV(t, a, b) ({ t a_ = (t)(a), b_ = (t)(b); b_ == 0 || b_ == (t)-1 ? a_ : (t)(a_ / b_); })
#define MOD(t, a, b) ({ t a_ = (t)(a), b_ = (t)(b); b_ == 0 || b_ == (t)-1 ? b_ : (t)(a_ % b_); })
#define SHL(t, a, n) ((t)((t)(a) << ((unsigned)(n) & (8 * sizeof(t) - 1))))
#define SHR(t, a, n) ((t)((t)(a) >> ((unsigned)(n) & (8 * sizeof(t) - 1))))
#define ROT(t, a, n) ((t)(SHL(t, a, n) | SHR(t, a, 8 * sizeof(t) - ((unsigned)(n) & (8 * sizeof(t) - 1)))))
#define INT(t, x) ({ double x_ = (double)(x); (t)(x_ > -1e9 && x_ < 1e9 ? (int64_t)x_ : 77); })
#define TAME(x) ({ __typeof__(x) x_ = (x); x_ == x_ && x_ < 1e15 && x_ > -1e15 ? x_ : 1.5; })
static int64_t fuel;
static uint64_t hash;
static void mix(uint64_t value) { hash = (hash ^ value) * 0x9E3779B97F4A7C15u; hash ^= hash >> 29; }
static void mix_float(double value) { uint64_t bits; memcpy(&bits, &value, 8); mix(value == value ? bits : 1); }
"""
WIDTHS: Final = ("int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t", "uint32_t", "int64_t", "uint64_t")
UNSIGNED: Final = ("uint8_t", "uint16_t", "uint32_t", "uint64_t")
FLOATS: Final = ("double", "float", "double", "f80")
CONSTANTS: Final = (0, 1, 2, 3, 5, 7, 10, 31, 63, 100, 127, 128, 255, 256, 1000, 32767, 65535, 1 << 31, (1 << 31) - 1)
MASK: Final = 31  # of the indices of arrays
DEPTH: Final = 2  # of expressions


class Program:
    """The source, made once."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.out: list[str] = [f"// seed {seed}", HEAD]
        count = self.random.randrange(2, 5)
        self.random_arrays()
        self.out += [f"static int64_t f{n}(int64_t, int32_t, uint8_t, double);" for n in range(count)]
        names = ", ".join(f"f{self.random.randrange(count)}" for _ in range(8))
        self.out.append(f"static int64_t (*const table[8])(int64_t, int32_t, uint8_t, double) = {{{names}}};")
        for number in range(count):
            self.out += Function(self.random, count, number).source()
        self.out.append("int main(int argc, char **argv) {\n(void)argc, (void)argv;")
        self.out.append(f"for (int n = 0; n < {self.random.randrange(6, 14)}; n++) {{ fuel = 4000;")
        for number in range(count):
            value = self.random.getrandbits(63) >> self.random.randrange(63)
            self.out.append(f"mix((uint64_t)f{number}(n * {value}, n - 3, (uint8_t)(n * 37), n * 1.25 - 3));")
        self.out.append(
            'printf("%016llx %lld\\n", (unsigned long long)hash, (long long)fuel);\n}\nreturn (int)(hash & 63);\n}'
        )
        self.text = "\n".join(self.out) + "\n"

    def random_arrays(self) -> None:
        for name, kind in (
            ("ga", "int64_t"),
            ("gb", "uint8_t"),
            ("gc", "int16_t"),
            ("gd", "uint32_t"),
            ("ge", "double"),
        ):
            values = ", ".join(str(self.random.randrange(100)) for _ in range(MASK + 1))
            self.out.append(f"static {kind} {name}[{MASK + 1}] = {{{values}}};")


class Function:
    def __init__(self, random_: random.Random, count: int, number: int) -> None:
        self.random = random_
        self.count = count
        self.number = number
        self.integers = {f"i{n}": random_.choice(WIDTHS) for n in range(random_.randrange(3, 9))}
        if random_.random() < 0.25:
            self.integers |= {"w0": "i128", "w1": "u128"}
        self.floats = {f"d{n}": random_.choice(FLOATS) for n in range(random_.randrange(0, 4))}
        self.labels = 0
        self.loops = 0
        self.budget = random_.randrange(6, 20)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def source(self) -> list[str]:
        self.label_count = self.random.choice((0, 0, 2, 3, 5))
        body = [line for _ in range(self.random.randrange(2, 6)) for line in self.statement(0)]
        while self.labels < self.label_count:
            body.append(self.label())
        yield_ = " ^ ".join(f"(int64_t){name}" for name in self.integers)
        lines = [f"static int64_t f{self.number}(int64_t i0_, int32_t i1_, uint8_t i2_, double d_) {{"]
        starts = ("i0_", "i1_", "i2_", "(i0_ >> 7)", "(i1_ * 31)")
        lines += [f"{kind} {name} = ({kind}){self.random.choice(starts)};" for name, kind in self.integers.items()]
        lines += [f"{kind} {name} = ({kind})(d_ + {n});" for n, (name, kind) in enumerate(self.floats.items())]
        lines += [f"int n{n} = 0;" for n in range(self.loops)]
        lines += ["if (fuel-- < 0) return i0_ + (int64_t)d_;", *body]
        lines += [f"mix_float((double){name});" for name in self.floats]
        return [*lines, f"return {yield_};", "}"]

    # ---- expressions

    def integer(self, depth: int = 0) -> str:
        kinds = ["variable", "constant"] if depth > DEPTH else self.INTEGERS
        return getattr(self, "_" + self.random.choice(kinds))(depth + 1)

    INTEGERS = (
        *("variable", "constant", "array") * 2,
        *(
            "plain",
            "plain",
            "compare",
            "logic",
            "shift",
            "divide",
            "choice",
            "call",
            "builtin",
            "convert",
            "unary",
            "wide",
        ),
    )

    def _variable(self, depth: int) -> str:
        return self.random.choice([*self.integers, "i0_", "i1_", "i2_"])

    def _constant(self, depth: int) -> str:
        value = self.random.choice(CONSTANTS) if self.chance(0.8) else self.random.getrandbits(62)
        return f"{'-' if self.chance(0.3) else ''}{value}{'LL' if value >> 31 else ''}".replace("-0", "0")

    def _array(self, depth: int) -> str:
        return f"{self.random.choice(('ga', 'gb', 'gc', 'gd'))}[({self.integer(depth)}) & {MASK}]"

    def _plain(self, depth: int) -> str:
        kind = self.random.choice(WIDTHS)
        operator = self.random.choice("+-*&|^")
        return f"({kind})(({kind})({self.integer(depth)}) {operator} ({kind})({self.integer(depth)}))"

    def _compare(self, depth: int) -> str:
        if self.floats and self.chance(0.3):
            return f"({self.real(depth)} {self.random.choice(('<', '<=', '==', '!=', '>', '>='))} {self.real(depth)})"
        kind = self.random.choice(WIDTHS)
        operator = self.random.choice(("<", "<=", "==", "!=", ">", ">="))
        return f"(({kind})({self.integer(depth)}) {operator} ({kind})({self.integer(depth)}))"

    def _logic(self, depth: int) -> str:
        return f"({self.integer(depth)} {self.random.choice(('&&', '||'))} {self.integer(depth)})"

    def _shift(self, depth: int) -> str:
        name = self.random.choice(("SHL", "SHR", "ROT"))
        kind = self.random.choice(UNSIGNED if name == "ROT" else WIDTHS)
        return f"{name}({kind}, {self.integer(depth)}, {self.integer(depth)})"

    def _divide(self, depth: int) -> str:
        kind = self.random.choice((*WIDTHS[2:], "i128", "u128") if self.chance(0.1) else WIDTHS[2:])
        by = self._constant(depth) if self.chance(0.5) else self.integer(depth)
        return f"{self.random.choice(('DIV', 'MOD'))}({kind}, {self.integer(depth)}, {by})"

    def _choice(self, depth: int) -> str:
        return f"({self.integer(depth)} ? {self.integer(depth)} : {self.integer(depth)})"

    def _call(self, depth: int) -> str:
        integers = [self.integer(DEPTH + 1) for _ in range(3)]
        arguments = f"({integers[0]}, (int32_t)({integers[1]}), (uint8_t)({integers[2]}), {self.real(DEPTH + 1)})"
        if self.chance(0.4):
            return f"table[({self.integer(depth)}) & 7]{arguments}"
        return f"f{self.random.randrange(self.count)}{arguments}"

    def _builtin(self, depth: int) -> str:
        name, kind = self.random.choice(
            (
                ("__builtin_popcountll", "uint64_t"),
                ("__builtin_bswap32", "uint32_t"),
                ("__builtin_bswap64", "uint64_t"),
                ("__builtin_ctz", "1 | (uint32_t)"),
                ("__builtin_clzll", "1 | (uint64_t)"),
                ("__builtin_parity", "uint32_t"),
                ("__builtin_ffsll", "int64_t"),
            )
        )
        cast = kind if kind.startswith("1") else f"({kind})"
        return f"{name}({cast}({self.integer(depth)}))"

    def _convert(self, depth: int) -> str:
        return f"INT({self.random.choice(WIDTHS)}, {self.real(depth)})"

    def _unary(self, depth: int) -> str:
        return f"{self.random.choice('-~!')}({self.random.choice(WIDTHS)})({self.integer(depth)})"

    def _wide(self, depth: int) -> str:
        return f"(int64_t)((u128)(uint64_t)({self.integer(depth)}) * (uint64_t)({self.integer(depth)}) >> 64)"

    def real(self, depth: int = 0) -> str:
        if depth > DEPTH or self.chance(0.4):
            return self.random.choice([*self.floats, "d_", f"ge[({self.integer(4)}) & {MASK}]", "0.5", "-3.25", "1e3"])
        if self.chance(0.3):
            return f"({self.random.choice(FLOATS)})({self.integer(depth + 1)})"
        if self.chance(0.1):
            return f"({self.integer(depth + 1)} ? {self.real(depth + 1)} : {self.real(depth + 1)})"
        return f"({self.real(depth + 1)} {self.random.choice('+-*/')} {self.real(depth + 1)})"

    # ---- statements

    STATEMENTS = (
        *("assign", "assign", "store", "mix", "test", "test", "loop", "loop", "switch", "switch", "real_assign"),
        *("jump", "jump", "memory", "computed", "leave"),
    )

    def statement(self, depth: int) -> list[str]:
        self.budget -= 1
        simple = ("assign", "store", "mix", "real_assign", "jump")
        kinds = simple if depth > 4 or self.budget < 0 else self.STATEMENTS
        lines: list[str] = getattr(self, "_" + self.random.choice(kinds) + "_")(depth)
        if self.labels < self.label_count and self.chance(0.3):
            lines = [self.label(), *lines]
        return lines

    def label(self) -> str:
        self.labels += 1
        return f"l{self.labels - 1}:;"

    def block(self, depth: int) -> list[str]:
        return ["{", *(line for _ in range(self.random.randrange(1, 4)) for line in self.statement(depth + 1)), "}"]

    def _assign_(self, depth: int) -> list[str]:
        name = self.random.choice([*self.integers])
        if self.chance(0.2):
            return [f"{name} {self.random.choice(('+=', '-=', '*=', '^=', '|=', '&='))} {self.integer()};"]
        if self.chance(0.1):
            return [f"{name}{self.random.choice(('++', '--'))};"]
        return [f"{name} = ({self.integers[name]})({self.integer()});"]

    def _real_assign_(self, depth: int) -> list[str]:
        if not self.floats:
            return self._store_(depth)
        return [f"{self.random.choice([*self.floats])} = TAME({self.real()});"]

    def _store_(self, depth: int) -> list[str]:
        if self.chance(0.2):
            return [f"ge[({self.integer()}) & {MASK}] = TAME({self.real()});"]
        return [f"{self._array(1)} = {self.integer()};"]

    def _mix_(self, depth: int) -> list[str]:
        return [f"mix((uint64_t)({self.integer()}));"]

    def _test_(self, depth: int) -> list[str]:
        lines = [f"if ({self.integer()})", *self.block(depth)]
        return [*lines, "else", *self.block(depth)] if self.chance(0.5) else lines

    def _loop_(self, depth: int) -> list[str]:
        counter, times = f"n{self.loops}", self.random.randrange(2, 12)
        self.loops += 1
        body = self.block(depth)
        if self.chance(0.3):
            body[-1:] = [f"if ({self.integer()}) {self.random.choice(('break', 'continue'))};", "}"]
        shape = self.random.randrange(3)
        if shape == 0:
            return [f"for ({counter} = 0; {counter} < {times} && fuel-- > 0; {counter}++)", *body]
        if shape == 1:
            return [f"{counter} = {times};", f"while (--{counter} > 0 && fuel-- > 0 && {self._compare(2)})", *body]
        return [f"{counter} = 0;", "do", *body, f"while (++{counter} < {times} && fuel-- > 0);"]

    def _switch_(self, depth: int) -> list[str]:
        """Dense, with holes, sparse, negative, of any width; cases fall through; default anywhere or none."""
        kind = self.random.choice(WIDTHS)
        step = self.random.choice((1, 1, 1, 2, 3, 1000))
        low = self.random.choice((0, 0, 1, -4, 60, 100))
        count = self.random.choice((2, 3, 5, 9, 17, 40))
        values = [low + step * n for n in range(count) if step > 1 or self.chance(0.85)] or [low]
        if kind in ("int8_t", "uint8_t"):
            values = [value for value in values if -4 <= value < 120] or [low]
        if kind.startswith("u"):
            values = [abs(value) + 1 if value < 0 else value for value in values]
        values = list(dict.fromkeys(values))
        self.random.shuffle(values)
        span = max(values) - min(values) + self.random.choice((1, 2, 5))
        selector = f"(uint64_t)({self.integer()}) % {span} + ({min(values)})"
        if self.chance(0.15):
            selector = self.integer()
        lines = [f"switch (({kind})({selector})) {{"]
        default = self.random.randrange(len(values) + 1) if self.chance(0.8) else -1
        at = 0
        while at < len(values):
            if default >= 0 and at >= default:
                lines += ["default:", *self.statement(depth + 1), self.random.choice(("break;", ""))]
                default = -1
            group = self.random.choice((1, 1, 1, 2, 4))
            lines += [f"case {value}:" for value in values[at : at + group]]
            at += group
            big = self.budget > 0 and self.chance(0.3)
            lines += (
                self.block(depth + 1) if big else [f"mix({self.random.randrange(1 << 30)});", *self._assign_(depth)]
            )
            lines.append(self.random.choice(("break;", "break;", "break;", "")))
        if default >= 0:
            lines += ["default:", *self.statement(depth + 1)]
        return [*lines, ";}"]

    def _jump_(self, depth: int) -> list[str]:
        if not self.label_count:
            return self._mix_(depth)
        return [f"if ({self._compare(2)} && fuel-- > 0) goto l{self.random.randrange(self.label_count)};"]

    def _computed_(self, depth: int) -> list[str]:
        if not self.label_count:
            return self._test_(depth)
        names = ", ".join(f"&&l{self.random.randrange(self.label_count)}" for _ in range(4))
        target = f"places[({self.integer()}) & 3]"
        return ["{", f"static const void *const places[4] = {{{names}}};", f"if (fuel-- > 0) goto *{target};", "}"]

    def _memory_(self, depth: int) -> list[str]:
        name = self.random.choice(("gb", "gc"))
        size = f"({self.integer()}) & 15"
        at = f"{name} + (({self.integer()}) & 15)"
        move = f"memmove({at}, {name} + (({self.integer()}) & 15), {size});"
        return [move if self.chance(0.5) else f"memset({at}, {self.integer()}, {size});"]

    def _leave_(self, depth: int) -> list[str]:
        return [f"if ({self._compare(2)}) return {self.integer()};"] if depth else self._mix_(depth)
