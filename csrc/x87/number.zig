//! In: a sign, an exponent and 128 bits of significand. Out: an 80-bit float, rounded as the control word says, and the
//! exceptions that this raised. Every operation of the x87 ends here. Intel SDM vol. 1, 4.8, 4.9 and 8.5.

pub const INVALID = 0x01;
pub const DENORMAL = 0x02;
pub const ZERO_DIVIDE = 0x04;
pub const OVERFLOW = 0x08;
pub const UNDERFLOW = 0x10;
pub const INEXACT = 0x20;
pub const STACK = 0x40;
pub const C0 = 0x0100;
pub const C1 = 0x0200;
pub const C2 = 0x0400;
pub const C3 = 0x4000;

pub const TOP_BIT: u64 = 1 << 63;
pub const QUIET_BIT: u64 = 1 << 62;
pub const BIAS = 16383;
pub const MAX = 0x7fff;

/// An 80-bit float as it lies in a register.
pub const Float = struct {
    m: u64,
    e: u16, // sign and biased exponent

    pub inline fn sign(x: Float) u1 {
        return @intCast(x.e >> 15);
    }
    pub inline fn exponent(x: Float) i32 {
        return x.e & MAX;
    }
    pub inline fn isZero(x: Float) bool {
        return x.e & MAX == 0 and x.m == 0;
    }
    pub inline fn isInfinite(x: Float) bool {
        return x.e & MAX == MAX and x.m == TOP_BIT;
    }
    pub inline fn isNan(x: Float) bool {
        return x.e & MAX == MAX and x.m > TOP_BIT;
    }
    pub inline fn isSignaling(x: Float) bool {
        return isNan(x) and x.m & QUIET_BIT == 0;
    }
    /// Denormals and pseudo-denormals.
    pub inline fn isDenormal(x: Float) bool {
        return x.e & MAX == 0 and x.m != 0;
    }
    /// Encodings of the 8087 that no later FPU makes or takes: unnormals, pseudo-infinities, pseudo-NaNs.
    pub inline fn isUnsupported(x: Float) bool {
        return x.e & MAX != 0 and x.m & TOP_BIT == 0;
    }
    pub inline fn isSpecial(x: Float) bool {
        return x.e & MAX == MAX or isUnsupported(x);
    }
    pub inline fn negated(x: Float) Float {
        return .{ .m = x.m, .e = x.e ^ 0x8000 };
    }
    pub inline fn quieted(x: Float) Float {
        return .{ .m = x.m | QUIET_BIT, .e = x.e };
    }
};

pub const INDEFINITE = Float{ .m = TOP_BIT | QUIET_BIT, .e = 0xffff };

pub inline fn zero(s: u1) Float {
    return .{ .m = 0, .e = @as(u16, s) << 15 };
}
pub inline fn infinity(s: u1) Float {
    return .{ .m = TOP_BIT, .e = @as(u16, s) << 15 | MAX };
}
pub inline fn compose(s: u1, e: i32, m: u64) Float {
    return .{ .m = m, .e = @as(u16, s) << 15 | @as(u16, @intCast(e)) };
}

/// A finite number that is not 0, normalised: (-1)^s * m * 2^(e - BIAS - 63), the top bit of m set; e may be below 1.
pub const Parts = struct { s: u1, e: i32, m: u64 };

pub inline fn parts(x: Float) Parts {
    if (x.m & TOP_BIT != 0) return .{ .s = x.sign(), .e = @max(x.exponent(), 1), .m = x.m };
    const shift: u6 = @intCast(@clz(x.m));
    return .{ .s = x.sign(), .e = 1 - @as(i32, shift), .m = x.m << shift };
}

/// 128 bits as two words: variable shifts of u128 would become calls that return through memory.
pub const Wide = struct {
    hi: u64,
    lo: u64,

    /// Shifted right; bits that fall out leave a one at the end.
    pub inline fn jam(w: Wide, count: u32) Wide {
        if (count == 0) return w;
        if (count < 64) {
            const n: u6 = @intCast(count);
            const back: u6 = @intCast(64 - count);
            const lost: u64 = @intFromBool(w.lo << back != 0);
            return .{ .hi = w.hi >> n, .lo = w.lo >> n | w.hi << back | lost };
        }
        if (count < 128) {
            const n: u6 = @intCast(count - 64);
            const lost = w.lo | if (n == 0) 0 else w.hi << @intCast(@as(u7, 64) - n);
            return .{ .hi = 0, .lo = w.hi >> n | @intFromBool(lost != 0) };
        }
        return .{ .hi = 0, .lo = @intFromBool(w.hi | w.lo != 0) };
    }
    pub inline fn left(w: Wide, count: u32) Wide {
        if (count == 0) return w;
        if (count >= 64) return .{ .hi = w.lo << @intCast(count - 64), .lo = 0 };
        const n: u6 = @intCast(count);
        return .{ .hi = w.hi << n | w.lo >> @intCast(@as(u7, 64) - n), .lo = w.lo << n };
    }
    pub inline fn plus(a: Wide, b: Wide) Wide {
        const lo = a.lo +% b.lo;
        return .{ .hi = a.hi +% b.hi +% @intFromBool(lo < a.lo), .lo = lo };
    }
    pub inline fn minus(a: Wide, b: Wide) Wide {
        return .{ .hi = a.hi -% b.hi -% @intFromBool(a.lo < b.lo), .lo = a.lo -% b.lo };
    }
    pub inline fn leadingZeros(w: Wide) u32 {
        return if (w.hi != 0) @clz(w.hi) else 64 + @as(u32, @clz(w.lo));
    }
    pub inline fn isZero(w: Wide) bool {
        return w.hi | w.lo == 0;
    }
};

pub inline fn product(a: u64, b: u64) Wide {
    const p = @as(u128, a) * b;
    return .{ .hi = @truncate(p >> 64), .lo = @truncate(p) };
}

/// What an operation starts from and adds to: the control word, and exceptions as they stand in the status word.
pub const Context = struct {
    control: u16,
    raised: u16 = 0,

    pub inline fn raise(c: *Context, what: u16) void {
        c.raised |= what;
    }
    /// 0 nearest, 1 down, 2 up, 3 to zero.
    pub inline fn rounding(c: *const Context) u2 {
        return @truncate(c.control >> 10);
    }
    /// Bits of significand that FADD, FSUB, FMUL, FDIV and FSQRT give.
    pub inline fn precision(c: *const Context) u7 {
        return switch (@as(u2, @truncate(c.control >> 8))) {
            0 => 24,
            2 => 53,
            else => 64,
        };
    }
    pub fn invalid(c: *Context) Float {
        c.raise(INVALID);
        return INDEFINITE;
    }
};

/// A binary format: bits of significand, the least and the greatest biased exponent (80-bit bias) of a normal number.
pub const Format = struct { bits: u7, least: i32, most: i32 };
pub const SINGLE = Format{ .bits = 24, .least = BIAS - 126, .most = BIAS + 127 };
pub const DOUBLE = Format{ .bits = 53, .least = BIAS - 1022, .most = BIAS + 1023 };

pub inline fn extended(bits: u7) Format {
    return .{ .bits = bits, .least = 1, .most = MAX - 1 };
}

/// Whether a number is rounded away from 0: what is cut off, as 65 bits of a fraction (half is hi's top bit), odd the
/// last bit that stays.
pub inline fn roundsUp(mode: u2, s: u1, odd: bool, half: bool, rest: bool) bool {
    return switch (mode) {
        0 => half and (rest or odd),
        1 => s == 1 and (half or rest),
        2 => s == 0 and (half or rest),
        3 => false,
    };
}

const Cut = struct { m: u64, carry: bool, inexact: bool, up: bool };

/// m.lo cut to its upper bits and rounded.
inline fn cut(mode: u2, s: u1, m: u64, lo: u64, bits: u7) Cut {
    var kept = m;
    var half = lo >> 63 != 0;
    var rest = lo << 1 != 0;
    var unit: u64 = 1;
    if (bits < 64) {
        const drop: u6 = @intCast(64 - bits);
        unit = @as(u64, 1) << drop;
        const dropped = m & unit - 1;
        kept = m - dropped;
        half = dropped >> (drop - 1) != 0;
        rest = dropped & (unit >> 1) - 1 | lo != 0;
    }
    if (!roundsUp(mode, s, kept & unit != 0, half, rest)) return .{ .m = kept, .carry = false, .inexact = half or rest, .up = false };
    const sum = kept +% unit;
    return .{ .m = sum, .carry = sum == 0, .inexact = true, .up = true };
}

/// Rounds (-1)^s * m.lo * 2^(e - BIAS - 63) to a format; m has its top bit set. Denormal results are not normalised: their
/// exponent is format.least and the top bit clear. C1 says that the result was rounded up.
pub fn round(c: *Context, format: Format, s: u1, e0: i32, m0: u64, lo0: u64) Float {
    const mode = c.rounding();
    var e = e0;
    var result = cut(mode, s, m0, lo0, format.bits);
    if (e < format.least) {
        // Tiny after rounding: unless rounding carried it up to the least normal number.
        const tiny = !(e == format.least - 1 and result.carry);
        const w = (Wide{ .hi = m0, .lo = lo0 }).jam(@intCast(@min(format.least - e, 200)));
        result = cut(mode, s, w.hi, w.lo, format.bits);
        e = format.least;
        if (tiny and result.inexact) c.raise(UNDERFLOW);
    } else if (result.carry) {
        result.m = TOP_BIT;
        e += 1;
    }
    c.raised &= ~@as(u16, C1);
    if (e > format.most) {
        c.raise(OVERFLOW | INEXACT);
        if (mode == 3 or mode == 1 + @as(u2, s)) {
            const all = ~@as(u64, 0) << @intCast(@as(u7, 64) - format.bits);
            return compose(s, format.most, all);
        }
        c.raise(C1);
        return infinity(s);
    }
    if (result.inexact) c.raise(INEXACT);
    if (result.up) c.raise(C1);
    if (format.least == 1 and result.m & TOP_BIT == 0) e = 0;
    return compose(s, e, result.m);
}

/// The result of an operation of which at least one operand is a NaN or unsupported; b may be a (one operand).
pub fn propagate(c: *Context, a: Float, b: Float) Float {
    if (a.isUnsupported() or b.isUnsupported()) return c.invalid();
    if (a.isSignaling() or b.isSignaling()) c.raise(INVALID);
    if (!b.isNan()) return a.quieted();
    if (!a.isNan()) return b.quieted();
    // A quiet NaN wins over a signaling one; else the larger significand, then the positive one.
    if (a.isSignaling() != b.isSignaling()) return if (a.isSignaling()) b else a;
    if (a.m != b.m) return (if (a.m > b.m) a else b).quieted();
    return (if (a.e < b.e) a else b).quieted();
}
