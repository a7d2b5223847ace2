//! In: one or two 80-bit floats. Out: F2XM1, FYL2X, FYL2XP1, FPATAN, FSIN, FCOS, FPTAN of them, correctly rounded but for
//! one case in about 2^50. The manual asks for an error below one unit in the last place (SDM vol. 1, 8.3.10), and leaves
//! open what is outside of a function's range: here the function goes on as far as it is one.

const n = @import("number.zig");
const real = @import("real.zig");
const Float = n.Float;
const Context = n.Context;
const Real = real.Real;

inline fn refused(a: Float, b: Float) bool {
    return a.isNan() or b.isNan() or a.isUnsupported() or b.isUnsupported();
}
inline fn denormals(c: *Context, a: Float, b: Float) void {
    if (a.isDenormal() or b.isDenormal()) c.raise(n.DENORMAL);
}
inline fn signed(x: Float, s: u1) Float {
    return if (s == 1) x.negated() else x;
}

/// 2^x - 1, for |x| <= 1: the series for x / 32, then five times e^2y - 1 = (e^y - 1) * (e^y - 1 + 2).
pub fn powerLessOne(c: *Context, a: Float) Float {
    if (refused(a, a)) return n.propagate(c, a, a);
    if (a.isZero()) return a;
    if (a.isInfinite()) return if (a.sign() == 0) a else n.compose(1, n.BIAS, n.TOP_BIT);
    denormals(c, a, a);
    if (a.exponent() == n.BIAS and a.m == n.TOP_BIT) return if (a.sign() == 0) a else n.compose(1, n.BIAS - 1, n.TOP_BIT);
    if (a.exponent() >= n.BIAS) return a;
    const y = Real.of(a).times(real.LN2).times2(-5);
    var sum = y.times(real.factorials(y, 2, 1));
    for (0..5) |_| sum = sum.times(sum.plus(real.ONE.times2(1)));
    return sum.float(c);
}

/// log2(1 + x) of a number that is not 0 and above -1, by atanh(x / (x + 2)).
noinline fn logarithmPlus1(x: Real) Real {
    const t = x.over(x.plus(real.ONE.times2(1)));
    return t.times(real.reciprocals(t.times(t))).times(real.LOG2E).times2(1);
}

/// log2 of 2^k * m, m between the square roots of 1/2 and 2.
fn logarithm(x: Real) Real {
    const k = x.e + @intFromBool(x.m.hi > 0xB504F333F9DE6484);
    const fraction = x.times2(-k).minus(real.ONE);
    const whole = Real.integer(k);
    return if (fraction.isZero()) whole else whole.plus(logarithmPlus1(fraction));
}

/// y * log2(x).
pub fn yLog2(c: *Context, x: Float, y: Float) Float {
    if (refused(x, y)) return n.propagate(c, x, y);
    if (x.isZero()) {
        if (y.isZero()) return c.invalid();
        if (!y.isInfinite()) c.raise(n.ZERO_DIVIDE);
        return n.infinity(y.sign() ^ 1);
    }
    if (x.sign() == 1) return c.invalid();
    const one = x.exponent() == n.BIAS and x.m == n.TOP_BIT;
    const below: u1 = @intFromBool(x.exponent() < n.BIAS);
    if (x.isInfinite()) {
        if (y.isZero()) return c.invalid();
        denormals(c, y, y);
        return n.infinity(y.sign());
    }
    if (y.isInfinite()) {
        if (one) return c.invalid();
        denormals(c, x, x);
        return n.infinity(y.sign() ^ below);
    }
    denormals(c, x, y);
    if (y.isZero() or one) return n.zero(y.sign() ^ below);
    const result = logarithm(Real.of(x)).times(Real.of(y));
    return if (x.m == n.TOP_BIT) result.exactly(c) else result.float(c);
}

/// y * log2(x + 1).
pub fn yLog2Plus1(c: *Context, x: Float, y: Float) Float {
    if (refused(x, y)) return n.propagate(c, x, y);
    if (x.isZero()) {
        if (y.isInfinite()) return c.invalid();
        denormals(c, y, y);
        return n.zero(x.sign() ^ y.sign());
    }
    if (x.sign() == 1 and x.exponent() >= n.BIAS) return c.invalid();
    if (x.isInfinite() and y.isZero()) return c.invalid();
    denormals(c, x, y);
    if (x.isInfinite() or y.isInfinite()) return n.infinity(x.sign() ^ y.sign());
    if (y.isZero()) return n.zero(x.sign() ^ y.sign());
    if (x.exponent() < n.BIAS - 1) return logarithmPlus1(Real.of(x)).times(Real.of(y)).float(c);
    return logarithm(Real.of(x).plus(real.ONE)).times(Real.of(y)).float(c);
}

/// The angle of the point (x, y).
pub fn angle(c: *Context, x: Float, y: Float) Float {
    if (refused(x, y)) return n.propagate(c, x, y);
    denormals(c, x, y);
    if (y.isZero() or (x.isInfinite() and !y.isInfinite())) {
        return if (x.sign() == 0) n.zero(y.sign()) else signed(real.PI.float(c), y.sign());
    }
    if (x.isZero() or y.isInfinite()) {
        var result = real.PI.times2(if (x.isInfinite()) -2 else -1);
        if (x.isInfinite() and x.sign() == 1) result = real.PI.minus(result);
        result.s = y.sign();
        return result.float(c);
    }
    const across = Real{ .s = 0, .e = Real.of(x).e, .m = Real.of(x).m };
    const up = Real{ .s = 0, .e = Real.of(y).e, .m = Real.of(y).m };
    const steep = up.minus(across).s == 0;
    const least = if (steep) across else up;
    const most = if (steep) up else across;
    // Above tan(pi/8), which is near 0.41, by the distance from pi/4.
    const far = least.times2(1).plus(least.times2(-1)).minus(most).s == 0;
    const t = if (far) most.minus(least).over(most.plus(least)) else least.over(most);
    var result = t.times(real.reciprocals(t.times(t).negated()));
    if (far) result = real.PI.times2(-2).minus(result);
    if (steep) result = real.PI.times2(-1).minus(result);
    if (x.sign() == 1) result = real.PI.minus(result);
    result.s = y.sign();
    return result.float(c);
}

/// What FSIN and its like start from: an angle between -pi/4 and pi/4, and how many right angles were taken away.
const Reduced = struct { angle: Real, turns: u2 };

/// Half of the FPU's pi, which has 66 bits, is this times 2^-65 (SDM vol. 1, 8.3.8).
const RIGHT = n.Wide{ .hi = 3, .lo = 0x243F6A8885A308D3 };

fn reduce(a: Float) Reduced {
    const x = Real.of(a);
    if (x.e < -2) return .{ .angle = x, .turns = 0 };
    var rest = n.Wide{ .hi = 0, .lo = x.m.hi };
    var turns: u2 = 0;
    for (0..@intCast(x.e + 2)) |_| {
        rest = rest.left(1);
        turns <<= 1;
        if (rest.hi > RIGHT.hi or (rest.hi == RIGHT.hi and rest.lo >= RIGHT.lo)) {
            rest = rest.minus(RIGHT);
            turns |= 1;
        }
    }
    const other = RIGHT.minus(rest);
    const nearer = other.hi < rest.hi or (other.hi == rest.hi and other.lo < rest.lo);
    const left = if (nearer) other else rest;
    const zeros = left.leadingZeros();
    const e = 62 - @as(i32, @intCast(zeros));
    const reduced = Real{ .s = x.s ^ @intFromBool(nearer), .e = e, .m = left.left(zeros) }; // no float is a right angle
    turns +%= @intFromBool(nearer);
    return .{ .angle = reduced, .turns = if (x.s == 1) 0 -% turns else turns };
}

/// Whether FSIN and its like answer at all: beyond 2^63 they set C2 and leave the number.
pub fn isWithin(a: Float) bool {
    return a.isSpecial() or a.exponent() < n.BIAS + 63;
}

pub const Circle = struct { sine: Float, cosine: Float };
const Pair = struct { sine: Real, cosine: Real };

noinline fn pair(a: Float) Pair {
    const r = reduce(a);
    const z = r.angle.times(r.angle).negated();
    const s = r.angle.times(real.factorials(z, 2, 2));
    const k = real.factorials(z, 1, 2);
    return switch (r.turns) {
        0 => .{ .sine = s, .cosine = k },
        1 => .{ .sine = k, .cosine = s.negated() },
        2 => .{ .sine = s.negated(), .cosine = k.negated() },
        3 => .{ .sine = k.negated(), .cosine = s },
    };
}

/// Sine, cosine and tangent, where they are not to be computed.
fn special(c: *Context, a: Float) ?Float {
    if (refused(a, a)) return n.propagate(c, a, a);
    if (a.isInfinite()) return c.invalid();
    denormals(c, a, a);
    return null;
}

pub fn sine(c: *Context, a: Float) Float {
    if (special(c, a)) |x| return x;
    return if (a.isZero()) a else pair(a).sine.float(c);
}
pub fn cosine(c: *Context, a: Float) Float {
    if (special(c, a)) |x| return x;
    return if (a.isZero()) n.compose(0, n.BIAS, n.TOP_BIT) else pair(a).cosine.float(c);
}
pub fn tangent(c: *Context, a: Float) Float {
    if (special(c, a)) |x| return x;
    if (a.isZero()) return a;
    const p = pair(a);
    return p.sine.over(p.cosine).float(c);
}
