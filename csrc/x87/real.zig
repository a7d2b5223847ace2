//! In: numbers of 128 bits of significand, built from 80-bit floats. Out: their sums, products, quotients and the series
//! that the transcendental functions are made of, good to about 120 bits, which is rounded once at the end.

const n = @import("number.zig");
const Wide = n.Wide;

const GOOD = 122; // bits that a series is carried to

/// (-1)^s * m * 2^(e - 127), the top bit of m set; 0 where m is 0.
pub const Real = struct {
    s: u1,
    e: i32,
    m: Wide,

    pub fn of(x: n.Float) Real {
        if (x.m == 0) return ZERO;
        const p = n.parts(x);
        return .{ .s = p.s, .e = p.e - n.BIAS, .m = .{ .hi = p.m, .lo = 0 } };
    }
    pub fn integer(value: i32) Real {
        return of(@import("convert.zig").fromInteger(value));
    }
    pub inline fn constant(e: i32, hi: u64, lo: u64) Real {
        return .{ .s = 0, .e = e, .m = .{ .hi = hi, .lo = lo } };
    }
    pub inline fn isZero(a: Real) bool {
        return a.m.isZero();
    }
    pub inline fn negated(a: Real) Real {
        return .{ .s = a.s ^ 1, .e = a.e, .m = a.m };
    }
    pub inline fn times2(a: Real, power: i32) Real {
        return .{ .s = a.s, .e = a.e + power, .m = a.m };
    }
    fn normal(s: u1, e: i32, m: Wide) Real {
        if (m.isZero()) return ZERO;
        const shift = m.leadingZeros();
        return .{ .s = s, .e = e - @as(i32, @intCast(shift)), .m = m.left(shift) };
    }

    pub noinline fn plus(a: Real, b: Real) Real {
        if (a.isZero()) return b;
        if (b.isZero()) return a;
        const swap = if (a.e != b.e) a.e < b.e else if (a.m.hi != b.m.hi) a.m.hi < b.m.hi else a.m.lo < b.m.lo;
        const x = if (swap) b else a;
        const y = if (swap) a else b;
        const small = y.m.jam(@intCast(@min(x.e - y.e + 1, 200)));
        const large = x.m.jam(1);
        return normal(x.s, x.e + 1, if (x.s == y.s) large.plus(small) else large.minus(small));
    }
    pub fn minus(a: Real, b: Real) Real {
        return a.plus(b.negated());
    }
    pub noinline fn times(a: Real, b: Real) Real {
        const x = n.product(a.m.hi, b.m.lo);
        const y = n.product(a.m.lo, b.m.hi);
        const carry = @intFromBool(x.lo +% y.lo < x.lo);
        const middle = (Wide{ .hi = 0, .lo = x.hi }).plus(.{ .hi = 0, .lo = y.hi }).plus(.{ .hi = 0, .lo = carry });
        return normal(a.s ^ b.s, a.e + b.e + 1, n.product(a.m.hi, b.m.hi).plus(middle));
    }
    /// b is not 0.
    pub noinline fn over(a: Real, b: Real) Real {
        if (a.isZero()) return ZERO;
        var rest = a.m.jam(1);
        const d = b.m.jam(1);
        var q = Wide{ .hi = 0, .lo = 0 };
        for (0..128) |_| {
            q = q.left(1);
            if (rest.hi > d.hi or (rest.hi == d.hi and rest.lo >= d.lo)) {
                rest = rest.minus(d);
                q.lo |= 1;
            }
            rest = rest.left(1);
        }
        return normal(a.s ^ b.s, a.e - b.e, q);
    }
    pub noinline fn overInteger(a: Real, d: u32) Real {
        var rest: u64 = 0;
        var digits: [4]u64 = undefined;
        for (&digits, 0..) |*digit, i| {
            const word = if (i < 2) a.m.hi else a.m.lo;
            const next = rest << 32 | (if (i & 1 == 0) word >> 32 else word & 0xffffffff);
            digit.* = next / d;
            rest = next % d;
        }
        return normal(a.s, a.e, .{ .hi = digits[0] << 32 | digits[1], .lo = digits[2] << 32 | digits[3] });
    }
    pub fn exactly(a: Real, c: *n.Context) n.Float {
        return n.round(c, n.extended(64), a.s, a.e + n.BIAS, a.m.hi, a.m.lo);
    }
    /// An irrational number: whatever its last bits, it is inexact.
    pub noinline fn float(a: Real, c: *n.Context) n.Float {
        return n.round(c, n.extended(64), a.s, a.e + n.BIAS, a.m.hi, a.m.lo | 1);
    }
};

pub const ZERO = Real{ .s = 0, .e = 0, .m = .{ .hi = 0, .lo = 0 } };
pub const ONE = Real.constant(0, 1 << 63, 0);
pub const PI = Real.constant(1, 0xC90FDAA22168C234, 0xC4C6628B80DC1CD1);
pub const LN2 = Real.constant(-1, 0xB17217F7D1CF79AB, 0xC9E3B39803F2F6AF);
pub const LOG2E = Real.constant(0, 0xB8AA3B295C17F0BB, 0xBE87FED0691D3E88);

/// How many powers of z count.
fn terms(z: Real) u32 {
    if (z.isZero()) return 0;
    return @intCast(@divTrunc(GOOD, @max(-z.e - 1, 1)) + 1);
}

/// 1 + z/3 + z^2/5 + z^3/7 ..: atanh(t)/t of z = t^2, atan(t)/t of z = -t^2.
pub noinline fn reciprocals(z: Real) Real {
    var sum = ZERO;
    var k = terms(z) + 1;
    while (k > 0) {
        k -= 1;
        sum = ONE.overInteger(2 * k + 1).plus(sum.times(z));
    }
    return sum;
}

/// 1 + z/d(1) * (1 + z/d(2) * (1 + ..)), d(k) the product of `step` integers that go on from `first`: exponential, sine,
/// cosine.
pub noinline fn factorials(z: Real, first: u32, step: u32) Real {
    var sum = ONE;
    var k: u32 = if (z.isZero()) 0 else 36;
    while (k > 0) {
        k -= 1;
        var term = sum.times(z);
        for (0..step) |i| term = term.overInteger(first + k * step + @as(u32, @intCast(i)));
        sum = ONE.plus(term);
    }
    return sum;
}
