//! In: two 80-bit floats. Out: sum, difference, product, quotient, square root, rounded by precision control.

const n = @import("number.zig");
const Float = n.Float;
const Context = n.Context;
const Wide = n.Wide;

inline fn refused(a: Float, b: Float) bool {
    return a.isNan() or b.isNan() or a.isUnsupported() or b.isUnsupported();
}

inline fn denormals(c: *Context, a: Float, b: Float) void {
    if (a.isDenormal() or b.isDenormal()) c.raise(n.DENORMAL);
}

/// 0 that is the difference of equal numbers.
inline fn cancelled(c: *Context) Float {
    return n.zero(@intFromBool(c.rounding() == 1));
}

pub fn add(c: *Context, a: Float, b: Float) Float {
    if (refused(a, b)) return n.propagate(c, a, b);
    if (a.isInfinite()) {
        if (b.isInfinite() and a.sign() != b.sign()) return c.invalid();
        denormals(c, a, b);
        return a;
    }
    denormals(c, a, b);
    if (b.isInfinite()) return b;
    if (a.isZero() and b.isZero()) return if (a.sign() == b.sign()) a else cancelled(c);
    const format = n.extended(c.precision());
    if (a.isZero() or b.isZero()) {
        const p = n.parts(if (a.isZero()) b else a);
        return n.round(c, format, p.s, p.e, p.m, 0);
    }
    var x = n.parts(a);
    var y = n.parts(b);
    if (x.e < y.e or (x.e == y.e and x.m < y.m)) {
        const t = x;
        x = y;
        y = t;
    }
    // One bit of headroom above, 63 below.
    const large = Wide{ .hi = x.m >> 1, .lo = x.m << 63 };
    const small = (Wide{ .hi = y.m >> 1, .lo = y.m << 63 }).jam(@intCast(@min(x.e - y.e, 200)));
    const sum = if (x.s == y.s) large.plus(small) else large.minus(small);
    if (sum.isZero()) return cancelled(c);
    const shift = sum.leadingZeros();
    const m = sum.left(shift);
    return n.round(c, format, x.s, x.e + 1 - @as(i32, @intCast(shift)), m.hi, m.lo);
}

pub fn subtract(c: *Context, a: Float, b: Float) Float {
    // A NaN keeps its sign.
    return if (refused(a, b)) n.propagate(c, a, b) else add(c, a, b.negated());
}

pub fn multiply(c: *Context, a: Float, b: Float) Float {
    if (refused(a, b)) return n.propagate(c, a, b);
    const s = a.sign() ^ b.sign();
    if (a.isInfinite() or b.isInfinite()) {
        if (a.isZero() or b.isZero()) return c.invalid();
        denormals(c, a, b);
        return n.infinity(s);
    }
    denormals(c, a, b);
    if (a.isZero() or b.isZero()) return n.zero(s);
    const x = n.parts(a);
    const y = n.parts(b);
    const p = n.product(x.m, y.m);
    const shift: u32 = @intFromBool(p.hi & n.TOP_BIT == 0);
    const m = p.left(shift);
    return n.round(c, n.extended(c.precision()), s, x.e + y.e - n.BIAS + 1 - @as(i32, @intCast(shift)), m.hi, m.lo);
}

pub fn divide(c: *Context, a: Float, b: Float) Float {
    if (refused(a, b)) return n.propagate(c, a, b);
    const s = a.sign() ^ b.sign();
    if (a.isInfinite()) {
        if (b.isInfinite()) return c.invalid();
        denormals(c, a, b);
        return n.infinity(s);
    }
    if (b.isInfinite()) {
        denormals(c, a, b);
        return n.zero(s);
    }
    if (b.isZero()) {
        if (a.isZero()) return c.invalid();
        c.raise(n.ZERO_DIVIDE);
        return n.infinity(s);
    }
    denormals(c, a, b);
    if (a.isZero()) return n.zero(s);
    const x = n.parts(a);
    const y = n.parts(b);
    const less = x.m < y.m;
    const q = if (less) quotient(x.m, 0, y.m) else quotient(x.m >> 1, x.m << 63, y.m);
    return n.round(c, n.extended(c.precision()), s, x.e - y.e + n.BIAS - @intFromBool(less), q.hi, q.lo);
}

/// hi.lo / d as 64 bits and a fraction of which only half and the rest are told; hi < d, d has its top bit set.
/// Knuth, TAOCP vol. 2, 4.3.1, algorithm D, in digits of 32 bits.
pub fn quotient(hi: u64, lo: u64, d: u64) Wide {
    const first = digit(hi, lo >> 32, d);
    const second = digit(first.rest, lo & 0xffffffff, d);
    const q = first.digit << 32 | second.digit;
    const r = second.rest;
    if (r == 0) return .{ .hi = q, .lo = 0 };
    const twice = r << 1;
    const over = r >> 63 != 0 or twice > d;
    return .{ .hi = q, .lo = if (over) 3 << 62 else if (twice == d) 1 << 63 else 1 << 62 };
}

/// The integer quotient of hi.lo by d, without its fraction, and the remainder.
pub const Divided = struct { q: u64, r: u64 };
pub fn divided(hi: u64, lo: u64, d: u64) Divided {
    const first = digit(hi, lo >> 32, d);
    const second = digit(first.rest, lo & 0xffffffff, d);
    return .{ .q = first.digit << 32 | second.digit, .r = second.rest };
}

const Digit = struct { digit: u64, rest: u64 };

/// (a * 2^32 + next) / d, for a < d.
inline fn digit(a: u64, next: u64, d: u64) Digit {
    const top = d >> 32;
    const low = d & 0xffffffff;
    var q = a / top;
    var r = a - q * top;
    while (q >> 32 != 0 or q * low > (r << 32 | next)) {
        q -= 1;
        r += top;
        if (r >> 32 != 0) break;
    }
    return .{ .digit = q, .rest = (a << 32 | next) -% q *% d };
}

pub fn squareRoot(c: *Context, a: Float) Float {
    if (refused(a, a)) return n.propagate(c, a, a);
    if (a.isZero()) return a;
    if (a.sign() == 1) return c.invalid();
    if (a.isInfinite()) return a;
    denormals(c, a, a);
    const x = n.parts(a);
    // The exponent's distance from the bias is halved: odd ones lend a bit to the significand.
    const distance = x.e - n.BIAS;
    var rest = if (distance & 1 == 0) Wide{ .hi = x.m >> 1, .lo = x.m << 63 } else Wide{ .hi = x.m, .lo = 0 };
    // Bit by bit: root^2 <= radicand. rest stays below 2 * root + 1.
    var root: u64 = 0;
    var radicand = rest;
    rest = .{ .hi = 0, .lo = 0 };
    for (0..64) |_| {
        rest = rest.left(2);
        rest.lo |= radicand.hi >> 62;
        radicand = radicand.left(2);
        const trial = Wide{ .hi = root >> 62, .lo = root << 2 | 1 };
        root <<= 1;
        if (rest.hi > trial.hi or (rest.hi == trial.hi and rest.lo >= trial.lo)) {
            rest = rest.minus(trial);
            root |= 1;
        }
    }
    // A fraction above half if rest > root; it cannot be half.
    const above = rest.hi != 0 or rest.lo > root;
    const lo: u64 = if (rest.isZero()) 0 else if (above) 3 << 62 else 1 << 62;
    return n.round(c, n.extended(c.precision()), 0, (distance >> 1) + n.BIAS, root, lo);
}
