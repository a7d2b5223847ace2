//! In: an 80-bit float and one of the formats of memory: f32, f64, integers, packed decimal. Out: the other of the two.

const n = @import("number.zig");
const Float = n.Float;
const Context = n.Context;

/// Exact; a signaling NaN stays one.
fn widen(s: u1, e: u32, fraction: u64, comptime exponent_bits: u5, comptime fraction_bits: u6) Float {
    const most = (1 << exponent_bits) - 1;
    const shift = 63 - fraction_bits;
    const bias = n.BIAS - (most >> 1);
    const m = fraction << shift;
    if (e == most) {
        if (m == 0) return n.infinity(s);
        return n.compose(s, n.MAX, m | n.TOP_BIT);
    }
    if (e != 0) return n.compose(s, @as(i32, @intCast(e)) + bias, m | n.TOP_BIT);
    if (m == 0) return n.zero(s);
    const zeros: u6 = @intCast(@clz(m));
    return n.compose(s, bias + 1 - @as(i32, zeros), m << zeros);
}

pub fn fromSingle(bits: u32) Float {
    return widen(@intCast(bits >> 31), bits >> 23 & 0xff, bits & (1 << 23) - 1, 8, 23);
}

pub fn fromDouble(bits: u64) Float {
    return widen(@intCast(bits >> 63), @intCast(bits >> 52 & 0x7ff), bits & (1 << 52) - 1, 11, 52);
}

pub fn isDenormalSingle(bits: u32) bool {
    return bits & 0x7f800000 == 0 and bits << 1 != 0;
}

pub fn isDenormalDouble(bits: u64) bool {
    return bits & 0x7ff0000000000000 == 0 and bits << 1 != 0;
}

pub fn fromInteger(value: i64) Float {
    if (value == 0) return n.zero(0);
    const s: u1 = @intFromBool(value < 0);
    const m: u64 = if (s == 1) 0 -% @as(u64, @bitCast(value)) else @bitCast(value);
    const zeros: u6 = @intCast(@clz(m));
    return n.compose(s, n.BIAS + 63 - @as(i32, zeros), m << zeros);
}

/// The bits of a float of 32 or 64 bits.
fn narrow(c: *Context, x: Float, comptime format: n.Format, comptime exponent_bits: u5) u64 {
    const fraction_bits: u6 = format.bits - 1;
    const shift: u6 = 63 - fraction_bits;
    const most = (1 << exponent_bits) - 1;
    const sign = @as(u64, x.sign()) << (exponent_bits + fraction_bits);
    const fraction: u64 = (1 << fraction_bits) - 1;
    if (x.isUnsupported() or x.isNan()) {
        const nan = n.propagate(c, x, x);
        return @as(u64, nan.sign()) << (exponent_bits + fraction_bits) | most << fraction_bits | (nan.m >> shift & fraction);
    }
    if (x.isInfinite()) return sign | most << fraction_bits;
    if (x.isZero()) return sign;
    const p = n.parts(x);
    const r = n.round(c, format, p.s, p.e, p.m, 0);
    if (r.isInfinite()) return sign | most << fraction_bits;
    const e: u64 = if (r.m & n.TOP_BIT == 0) 0 else @intCast(r.exponent() - format.least + 1);
    return sign | e << fraction_bits | (r.m >> shift & fraction);
}

pub fn toSingle(c: *Context, x: Float) u32 {
    return @truncate(narrow(c, x, n.SINGLE, 8));
}

pub fn toDouble(c: *Context, x: Float) u64 {
    return narrow(c, x, n.DOUBLE, 11);
}

const Whole = struct { m: u64, overflow: bool };

/// |x| rounded to an integer; overflow where it has more than 64 bits. Raises INEXACT and C1.
fn whole(c: *Context, x: Float, mode: u2) Whole {
    const p = n.parts(x);
    const shift = n.BIAS + 63 - p.e;
    if (shift < 0) return .{ .m = 0, .overflow = true };
    if (shift == 0) return .{ .m = p.m, .overflow = false };
    const w = (n.Wide{ .hi = p.m, .lo = 0 }).jam(@intCast(@min(shift, 127)));
    const up = n.roundsUp(mode, p.s, w.hi & 1 != 0, w.lo >> 63 != 0, w.lo << 1 != 0);
    if (w.lo != 0) c.raise(n.INEXACT);
    if (up) c.raise(n.C1);
    const sum = w.hi +% @intFromBool(up);
    return .{ .m = sum, .overflow = up and sum == 0 };
}

/// FIST: an integer of 16, 32 or 64 bits, or the least one where x does not fit.
pub fn toInteger(c: *Context, x: Float, bits: u7, truncate: bool) i64 {
    const least = @as(i64, -1) << @intCast(bits - 1);
    if (x.isZero()) return 0;
    if (x.isSpecial()) {
        c.raise(n.INVALID);
        return least;
    }
    var quiet = Context{ .control = c.control };
    const w = whole(&quiet, x, if (truncate) 3 else c.rounding());
    const limit = (@as(u64, 1) << @intCast(bits - 1)) - 1 + x.sign();
    if (w.overflow or w.m > limit) {
        c.raise(n.INVALID);
        return least;
    }
    c.raise(quiet.raised);
    return if (x.sign() == 1) @bitCast(0 -% w.m) else @bitCast(w.m);
}

/// FRNDINT.
pub fn toWhole(c: *Context, x: Float) Float {
    if (x.isNan() or x.isUnsupported()) return n.propagate(c, x, x);
    if (x.isZero() or x.isInfinite()) return x;
    if (x.isDenormal()) c.raise(n.DENORMAL);
    if (x.exponent() >= n.BIAS + 63) return x;
    const w = whole(c, x, c.rounding());
    if (w.m == 0) return n.zero(x.sign());
    const zeros: u6 = @intCast(@clz(w.m));
    return n.compose(x.sign(), n.BIAS + 63 - @as(i32, zeros), w.m << zeros);
}

/// FBLD: 18 decimal digits and a sign; digits above 9 are undefined.
pub fn fromDecimal(low: u64, high: u16) Float {
    var value: u64 = 0;
    for (0..2) |i| value = value * 10 + (high >> @intCast(4 - 4 * i) & 15);
    for (0..16) |i| value = value * 10 + (low >> @intCast(60 - 4 * i) & 15);
    const x = fromInteger(@intCast(value));
    return if (high >> 15 != 0) x.negated() else x;
}

pub const Decimal = struct { low: u64, high: u16 };

/// FBSTP, or the decimal indefinite.
pub fn toDecimal(c: *Context, x: Float) Decimal {
    const indefinite = Decimal{ .low = 0xC000000000000000, .high = 0xffff };
    const s = @as(u16, x.sign()) << 15;
    if (x.isSpecial()) {
        c.raise(n.INVALID);
        return indefinite;
    }
    if (x.isZero()) return .{ .low = 0, .high = s };
    var quiet = Context{ .control = c.control };
    const w = whole(&quiet, x, c.rounding());
    if (w.overflow or w.m > 999999999999999999) {
        c.raise(n.INVALID);
        return indefinite;
    }
    c.raise(quiet.raised);
    var rest = w.m;
    var low: u64 = 0;
    for (0..16) |i| {
        low |= rest % 10 << @intCast(4 * i);
        rest /= 10;
    }
    return .{ .low = low, .high = s | @as(u16, @intCast(rest / 10 << 4 | rest % 10)) };
}
