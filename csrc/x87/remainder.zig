//! In: two 80-bit floats. Out: what FPREM, FPREM1, FSCALE and FXTRACT make of them: exact, or rounded once.

const n = @import("number.zig");
const arithmetic = @import("arithmetic.zig");
const Float = n.Float;
const Context = n.Context;

/// FPREM (nearest false: the quotient is truncated), FPREM1 (rounded to even). C0 C3 C1 are the quotient's last bits, C2
/// that the reduction has to go on.
pub fn remainder(c: *Context, a: Float, b: Float, nearest: bool) Float {
    if (a.isNan() or b.isNan() or a.isUnsupported() or b.isUnsupported()) return n.propagate(c, a, b);
    if (a.isInfinite() or b.isZero()) return c.invalid();
    if (a.isDenormal() or b.isDenormal()) c.raise(n.DENORMAL);
    if (a.isZero()) return a;
    const x = n.parts(a);
    if (b.isInfinite()) return exact(c, x.s, x.e, x.m);
    const y = n.parts(b);
    const distance = x.e - y.e;
    if (distance < -1 or (distance < 0 and !nearest)) return exact(c, x.s, x.e, x.m);
    if (distance >= 64) {
        // A part of the quotient: N of its bits, between 32 and 63, so that what is left is a multiple of 32 away.
        const bits: u6 = @intCast((distance & 31) | 32);
        c.raise(n.C2);
        const left = reduce(x.m, y.m, bits).r;
        if (left == 0) return n.zero(x.s);
        return exact(c, x.s, x.e - bits, left);
    }
    var s = x.s;
    var q: u64 = 0;
    var r: u64 = undefined;
    var e = y.e;
    if (distance < 0) {
        // x < y < 2x * 2: the quotient is 0, and 1 where x is above half of y.
        r = x.m;
        e = x.e;
        if (r > y.m) {
            // y - x in units of x: 2 * y.m - x.m, below y.m.
            const w = (n.Wide{ .hi = 0, .lo = y.m }).left(1).minus(.{ .hi = 0, .lo = r });
            r = w.lo;
            s ^= 1;
            q = 1;
        }
    } else {
        const d = reduce(x.m, y.m, @intCast(distance));
        q = d.q;
        r = d.r;
        if (nearest) {
            const other = y.m -% r;
            if (r > other or (r == other and q & 1 == 1)) {
                r = other;
                s ^= 1;
                q +%= 1;
            }
        }
    }
    if (q & 1 != 0) c.raise(n.C1);
    if (q & 2 != 0) c.raise(n.C3);
    if (q & 4 != 0) c.raise(n.C0);
    return if (r == 0) n.zero(x.s) else exact(c, s, e, r);
}

/// (x * 2^count) divided by y, both with their top bits set; the quotient's lower 64 bits.
fn reduce(x: u64, y: u64, count: u6) arithmetic.Divided {
    const first: u64 = @intFromBool(x >= y);
    const rest = if (first == 1) x - y else x;
    if (count == 0) return .{ .q = first, .r = rest };
    const back: u6 = @intCast(@as(u7, 64) - count);
    var d = arithmetic.divided(rest >> back, rest << count, y);
    d.q |= first << count;
    return d;
}

/// A result that fits; C1 stays the quotient's bit.
fn exact(c: *Context, s: u1, e: i32, m: u64) Float {
    const zeros: u6 = @intCast(@clz(m));
    const kept = c.raised;
    const result = n.round(c, n.extended(64), s, e - zeros, m << zeros, 0);
    c.raised |= kept;
    return result;
}

/// FSCALE: a * 2^b, b truncated.
pub fn scale(c: *Context, a: Float, b: Float) Float {
    if (a.isNan() or b.isNan() or a.isUnsupported() or b.isUnsupported()) return n.propagate(c, a, b);
    if (b.isInfinite()) {
        if (b.sign() == 0) {
            if (a.isZero()) return c.invalid();
            if (a.isDenormal()) c.raise(n.DENORMAL);
            return n.infinity(a.sign());
        }
        if (a.isInfinite()) return c.invalid();
        if (a.isDenormal()) c.raise(n.DENORMAL);
        return n.zero(a.sign());
    }
    if (a.isDenormal() or b.isDenormal()) c.raise(n.DENORMAL);
    if (a.isInfinite() or a.isZero()) return a;
    const x = n.parts(a);
    const e = b.exponent() - n.BIAS;
    var by: i32 = 0;
    if (e >= 16) by = 1 << 16 else if (e >= 0) by = @intCast(b.m >> @intCast(63 - e));
    return n.round(c, n.extended(64), x.s, if (b.sign() == 1) x.e - by else x.e + by, x.m, 0);
}

pub const Extracted = struct { exponent: Float, significand: Float };

/// FXTRACT.
pub fn extract(c: *Context, a: Float) Extracted {
    if (a.isNan() or a.isUnsupported()) {
        const nan = n.propagate(c, a, a);
        return .{ .exponent = nan, .significand = nan };
    }
    if (a.isInfinite()) return .{ .exponent = n.infinity(0), .significand = a };
    if (a.isZero()) {
        c.raise(n.ZERO_DIVIDE);
        return .{ .exponent = n.infinity(1), .significand = a };
    }
    if (a.isDenormal()) c.raise(n.DENORMAL);
    const x = n.parts(a);
    const convert = @import("convert.zig");
    return .{ .exponent = convert.fromInteger(x.e - n.BIAS), .significand = n.compose(x.s, n.BIAS, x.m) };
}
