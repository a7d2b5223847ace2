//! The x87 unit: registers, and a function for each kind of instruction, called by lifted code. Exceptions are masked,
//! whatever the control word says: what is unmasked is only told in the status word (ES, B).
//!
//! Its memory is not the guest's. At address 64, little-endian, all zeros at the start of a process:
//!
//!     0   u16 control word, xor 037FH
//!     2   u16 status word, TOP in bits 11..13
//!     4   u8  tags: bit r is set where register r is not empty
//!    32   registers R0..R7, 16 bytes each: u64 significand, u16 sign and exponent
//!
//! ST(i) is R((TOP + i) mod 8). Intel SDM vol. 1, chapter 8.

const std = @import("std");
const n = @import("number.zig");
const arithmetic = @import("arithmetic.zig");
const convert = @import("convert.zig");
const rest = @import("remainder.zig");
const curve = @import("transcendental.zig");
const Float = n.Float;
const Context = n.Context;

const Register = extern struct { m: u64, e: u16, pad: [3]u16 };
const State = extern struct { control: u16, status: u16, tags: u8, pad: [27]u8, r: [8]Register };
const in_wasm = @import("builtin").cpu.arch == .wasm32;
var native: State = std.mem.zeroes(State);
inline fn state() *State {
    return if (in_wasm) @ptrFromInt(64) else &native;
}
const CONTROL = 0x037f;
const CODES = n.C0 | n.C1 | n.C2 | n.C3;

// ---- the stack

inline fn top() u3 {
    return @truncate(state().status >> 11);
}
inline fn place(i: u32) u3 {
    return top() +% @as(u3, @truncate(i));
}
inline fn turn(by: u3) void {
    const s = state();
    s.status = s.status & ~@as(u16, 7 << 11) | @as(u16, top() +% by) << 11;
}
inline fn bit(r: u3) u8 {
    return @as(u8, 1) << r;
}
inline fn isEmpty(i: u32) bool {
    return state().tags & bit(place(i)) == 0;
}
inline fn get(i: u32) Float {
    const r = &state().r[place(i)];
    return .{ .m = r.m, .e = r.e };
}
inline fn put(i: u32, x: Float) void {
    const r = place(i);
    state().r[r].m = x.m;
    state().r[r].e = x.e;
    state().tags |= bit(r);
}
inline fn drop() void {
    state().tags &= ~bit(top());
    turn(1);
}
inline fn begin() Context {
    return .{ .control = state().control ^ CONTROL };
}
/// Exceptions stay until cleared; C1 is of the last instruction.
inline fn end(c: *const Context) void {
    state().status = state().status & ~@as(u16, n.C1) | c.raised;
}
/// The result where an operand's register is empty.
fn underflow(c: *Context) Float {
    c.raised = n.INVALID | n.STACK;
    return n.INDEFINITE;
}
fn push(c: *Context, x: Float) void {
    var value = x;
    turn(7);
    if (!isEmpty(0)) {
        if (c.raised & n.STACK == 0) c.raised = n.INVALID | n.STACK | n.C1;
        value = n.INDEFINITE;
    }
    put(0, value);
    end(c);
}

// ---- loads

fn pushFloat(x: Float, denormal: bool) void {
    var c = begin();
    if (denormal) c.raise(n.DENORMAL);
    if (x.isSignaling()) c.raise(n.INVALID);
    push(&c, if (x.isNan()) x.quieted() else x);
}

export fn x87_push_single(bits: u32) void {
    pushFloat(convert.fromSingle(bits), convert.isDenormalSingle(bits));
}
export fn x87_push_double(bits: u64) void {
    pushFloat(convert.fromDouble(bits), convert.isDenormalDouble(bits));
}
export fn x87_push_extended(m: u64, e: u32) void {
    var c = begin();
    push(&c, .{ .m = m, .e = @truncate(e) });
}
export fn x87_push_integer(value: i64) void {
    var c = begin();
    push(&c, convert.fromInteger(value));
}
export fn x87_push_decimal(low: u64, high: u32) void {
    var c = begin();
    push(&c, convert.fromDecimal(low, @truncate(high)));
}
export fn x87_push_register(i: u32) void {
    var c = begin();
    push(&c, if (isEmpty(i)) underflow(&c) else get(i));
}

/// FLDPI and its like: a constant with two bits more than a register has, rounded as the control word says.
export fn x87_push_constant(m: u64, more: u32, e: u32) void {
    var c = begin();
    const up = n.roundsUp(c.rounding(), 0, m & 1 != 0, more & 2 != 0, more & 1 != 0);
    push(&c, .{ .m = m + @intFromBool(up), .e = @truncate(e) });
}

// ---- stores: the value, for the caller to write; a pop is a call of its own, when the write has not faulted

inline fn operand(c: *Context, i: u32) Float {
    return if (isEmpty(i)) underflow(c) else get(i);
}
export fn x87_single() u32 {
    var c = begin();
    const x = operand(&c, 0);
    const bits = convert.toSingle(&c, x);
    end(&c);
    return bits;
}
export fn x87_double() u64 {
    var c = begin();
    const x = operand(&c, 0);
    const bits = convert.toDouble(&c, x);
    end(&c);
    return bits;
}
/// The significand; x87_extended_high gives sign and exponent, and comes second.
export fn x87_extended() u64 {
    var c = begin();
    const x = operand(&c, 0);
    end(&c);
    return x.m;
}
export fn x87_extended_high() u32 {
    return if (isEmpty(0)) n.INDEFINITE.e else get(0).e;
}
export fn x87_integer(bits: u32, truncate: u32) i64 {
    var c = begin();
    const x = operand(&c, 0);
    const value = convert.toInteger(&c, x, @truncate(bits), truncate != 0);
    end(&c);
    return value;
}
export fn x87_decimal() u64 {
    var c = begin();
    const x = operand(&c, 0);
    const d = convert.toDecimal(&c, x);
    end(&c);
    return d.low;
}
export fn x87_decimal_high() u32 {
    var c = begin();
    return convert.toDecimal(&c, if (isEmpty(0)) n.INDEFINITE else get(0)).high;
}
/// FST ST(i).
export fn x87_store(i: u32) void {
    var c = begin();
    put(i, operand(&c, 0));
    end(&c);
}
export fn x87_pop() void {
    drop();
}

// ---- registers

/// FXCH.
export fn x87_exchange(i: u32) void {
    var c = begin();
    const empty = isEmpty(0) or isEmpty(i);
    const x = if (isEmpty(0)) n.INDEFINITE else get(0);
    const y = if (isEmpty(i)) n.INDEFINITE else get(i);
    if (empty) c.raise(n.INVALID | n.STACK);
    put(0, y);
    put(i, x);
    end(&c);
}
/// FCMOVcc; empty registers count whether the condition holds or not.
export fn x87_move(i: u32, holds: u32) void {
    var c = begin();
    if (isEmpty(0) or isEmpty(i)) {
        put(0, underflow(&c));
        end(&c);
    } else if (holds != 0) put(0, get(i));
}
/// FFREE.
export fn x87_free(i: u32) void {
    state().tags &= ~bit(place(i));
    state().status &= ~@as(u16, n.C1);
}
/// FINCSTP (1), FDECSTP (7).
export fn x87_turn(by: u32) void {
    turn(@truncate(by));
    state().status &= ~@as(u16, n.C1);
}

// ---- arithmetic; operations are numbered as in the opcode: 0 add, 1 multiply, 4 subtract, 5 reversed, 6 divide, 7 reversed

inline fn combine(c: *Context, operation: u32, x: Float, y: Float) Float {
    return switch (operation) {
        0 => arithmetic.add(c, x, y),
        1 => arithmetic.multiply(c, x, y),
        4, 5 => arithmetic.subtract(c, if (operation == 4) x else y, if (operation == 4) y else x),
        else => arithmetic.divide(c, if (operation == 6) x else y, if (operation == 6) y else x),
    };
}
fn calculate(c: *Context, operation: u32, target: u32, x: Float, y: Float, empty: bool) void {
    put(target, if (empty) underflow(c) else combine(c, operation, x, y));
    end(c);
}
/// ST(target) = ST(target) op ST(i).
export fn x87_arithmetic(operation: u32, target: u32, i: u32) void {
    var c = begin();
    calculate(&c, operation, target, get(target), get(i), isEmpty(target) or isEmpty(i));
}
export fn x87_arithmetic_single(operation: u32, bits: u32) void {
    withFloat(operation, convert.fromSingle(bits), convert.isDenormalSingle(bits));
}
export fn x87_arithmetic_double(operation: u32, bits: u64) void {
    withFloat(operation, convert.fromDouble(bits), convert.isDenormalDouble(bits));
}
/// A denormal in memory is a normal number here: it is told of where the operation is carried out.
fn withFloat(operation: u32, y: Float, denormal: bool) void {
    var c = begin();
    const x = get(0);
    calculate(&c, operation, 0, x, y, isEmpty(0));
    const refused = isEmpty(0) or x.isNan() or x.isUnsupported();
    if (denormal and !refused and c.raised & (n.INVALID | n.ZERO_DIVIDE) == 0) state().status |= n.DENORMAL;
}
export fn x87_arithmetic_integer(operation: u32, value: i64) void {
    var c = begin();
    calculate(&c, operation, 0, get(0), convert.fromInteger(value), isEmpty(0));
}

// ---- comparison: C0 less, C3 equal, all three with C2 unordered

fn order(c: *Context, x: Float, y: Float, quiet: bool) u32 {
    if (x.isUnsupported() or y.isUnsupported() or x.isNan() or y.isNan()) {
        if (!quiet or x.isUnsupported() or y.isUnsupported() or x.isSignaling() or y.isSignaling()) c.raise(n.INVALID);
        return n.C0 | n.C2 | n.C3;
    }
    if (x.isDenormal() or y.isDenormal()) c.raise(n.DENORMAL);
    if (x.isZero() and y.isZero()) return n.C3;
    if (x.sign() != y.sign()) return if (x.sign() == 1) n.C0 else 0;
    const a = @max(x.exponent(), 1);
    const b = @max(y.exponent(), 1);
    if (a == b and x.m == y.m) return n.C3;
    const less = if (a != b and x.m != 0 and y.m != 0) a < b else x.m < y.m;
    return if (less == (x.sign() == 0)) n.C0 else 0;
}
fn compare(y: Float, empty: bool, quiet: bool, tell: bool) u32 {
    var c = begin();
    var codes: u32 = n.C0 | n.C2 | n.C3;
    if (isEmpty(0) or empty) _ = underflow(&c) else codes = order(&c, get(0), y, quiet);
    if (tell) state().status = state().status & ~@as(u16, CODES) | @as(u16, @truncate(codes));
    if (!tell and c.raised & n.STACK == 0) c.raise(state().status & n.C1);
    state().status = state().status & ~@as(u16, n.C1) | c.raised;
    return codes;
}
/// FCOM, FUCOM (quiet); FCOMI, FUCOMI (tell 0) leave the codes as they are. Returns C0 C2 C3.
export fn x87_compare(i: u32, quiet: u32, tell: u32) u32 {
    return compare(get(i), isEmpty(i), quiet != 0, tell != 0);
}
export fn x87_compare_single(bits: u32) void {
    compareFloat(convert.fromSingle(bits), convert.isDenormalSingle(bits));
}
export fn x87_compare_double(bits: u64) void {
    compareFloat(convert.fromDouble(bits), convert.isDenormalDouble(bits));
}
fn compareFloat(y: Float, denormal: bool) void {
    const told = compare(y, false, false, true) == n.C0 | n.C2 | n.C3;
    if (denormal and !told) state().status |= n.DENORMAL;
}
export fn x87_compare_integer(value: i64) void {
    _ = compare(convert.fromInteger(value), false, false, true);
}

// ---- instructions on ST(0), by the second byte of their opcode (D9 xx)

export fn x87_unary(opcode: u32) void {
    var c = begin();
    if (opcode == 0xe5) return examine();
    const binary = opcode == 0xf8 or opcode == 0xf5 or opcode == 0xfd;
    const x = get(0);
    const remainders = opcode == 0xf8 or opcode == 0xf5;
    if (remainders) state().status &= ~@as(u16, n.C2);
    if (isEmpty(0) or (binary and isEmpty(1))) {
        put(0, underflow(&c));
        if (opcode == 0xf4) return push(&c, n.INDEFINITE);
        return end(&c);
    }
    if (opcode == 0xf4) {
        const both = rest.extract(&c, x);
        const room = isEmpty(7);
        put(0, if (room) both.exponent else n.INDEFINITE);
        return push(&c, both.significand);
    }
    const result = switch (opcode) {
        0xe0 => x.negated(),
        0xe1 => Float{ .m = x.m, .e = x.e & n.MAX },
        0xfa => arithmetic.squareRoot(&c, x),
        0xfc => convert.toWhole(&c, x),
        0xfd => rest.scale(&c, x, get(1)),
        else => rest.remainder(&c, x, get(1), opcode == 0xf5),
    };
    if (remainders and !result.isNan()) state().status &= ~@as(u16, CODES);
    put(0, result);
    end(&c);
}
/// FXAM: C1 the sign, C3 C2 C0 the class, of an empty register too.
fn examine() void {
    const x = get(0);
    var codes: u16 = if (x.sign() == 1) n.C1 else 0;
    if (isEmpty(0)) codes |= n.C3 | n.C0 else if (x.isUnsupported()) {} else if (x.isNan()) codes |= n.C0 else if (x.isInfinite())
        codes |= n.C2 | n.C0
    else if (x.isZero()) codes |= n.C3 else if (x.isDenormal()) codes |= n.C3 | n.C2 else codes |= n.C2;
    state().status = state().status & ~@as(u16, CODES) | codes;
}

// ---- transcendental instructions, by the second byte of their opcode

/// FYL2X, FYL2XP1, FPATAN: ST(1) becomes the result, then ST(0) is popped.
export fn x87_curve_of_two(opcode: u32) void {
    var c = begin();
    put(1, if (isEmpty(0) or isEmpty(1)) underflow(&c) else switch (opcode) {
        0xf1 => curve.yLog2(&c, get(0), get(1)),
        0xf9 => curve.yLog2Plus1(&c, get(0), get(1)),
        else => curve.angle(&c, get(0), get(1)),
    });
    end(&c);
    drop();
}

/// F2XM1, FSIN, FCOS; FPTAN and FSINCOS, which push a second number.
export fn x87_curve(opcode: u32) void {
    var c = begin();
    const x = get(0);
    const twice = opcode == 0xf2 or opcode == 0xfb;
    if (opcode != 0xf0) state().status &= ~@as(u16, n.C2);
    if (isEmpty(0) or (twice and !isEmpty(7))) {
        const overflow = !isEmpty(0);
        put(0, underflow(&c));
        if (overflow) c.raise(n.C1);
        return if (twice) push(&c, n.INDEFINITE) else end(&c);
    }
    if (opcode != 0xf0 and !curve.isWithin(x)) {
        c.raise(n.C2);
        return end(&c);
    }
    const result = switch (opcode) {
        0xf0 => curve.powerLessOne(&c, x),
        0xf2 => curve.tangent(&c, x),
        0xff => curve.cosine(&c, x),
        else => curve.sine(&c, x),
    };
    put(0, result);
    if (!twice) return end(&c);
    const one = n.compose(0, n.BIAS, n.TOP_BIT);
    push(&c, if (result.isNan()) result else if (opcode == 0xf2) one else curve.cosine(&c, x));
}

// ---- MMX

fn enterMmx() void {
    state().status &= ~@as(u16, 7 << 11);
    state().tags = 0xff;
}
export fn x87_mmx(r: u32) u64 {
    enterMmx();
    return state().r[r & 7].m;
}
export fn x87_set_mmx(r: u32, m: u64) void {
    enterMmx();
    state().r[r & 7].m = m;
    state().r[r & 7].e = 0xffff;
}

// ---- control

export fn x87_control() u32 {
    return state().control ^ CONTROL;
}
/// FLDCW; bit 6 is always 1, the others that mean nothing 0.
export fn x87_set_control(value: u32) void {
    state().control = @truncate((value & 0x1f3f | 0x40) ^ CONTROL);
}
export fn x87_status() u32 {
    const s = state();
    const unmasked = s.status & ~(s.control ^ CONTROL) & 0x3f != 0;
    return s.status & 0x7f7f | if (unmasked) @as(u32, 0x8080) else 0;
}
export fn x87_set_status(value: u32) void {
    state().status = @truncate(value & 0x7f7f);
}
/// A bit for each register R0..R7 that is not empty.
export fn x87_tags() u32 {
    return state().tags;
}
export fn x87_set_tags(value: u32) void {
    state().tags = @truncate(value);
}
/// The tag word of FNSTENV: two bits each, 0 valid, 1 zero, 2 special, 3 empty.
export fn x87_tag_word() u32 {
    var word: u32 = 0;
    for (state().r, 0..) |r, i| {
        const x = Float{ .m = r.m, .e = r.e };
        const special = x.isSpecial() or x.isDenormal();
        const tag: u32 = if (state().tags & bit(@intCast(i)) == 0) 3 else if (x.isZero()) 1 else if (special) 2 else 0;
        word |= tag << @intCast(2 * i);
    }
    return word;
}
export fn x87_set_tag_word(word: u32) void {
    var tags: u8 = 0;
    for (0..8) |i| {
        if (word >> @intCast(2 * i) & 3 != 3) tags |= bit(@intCast(i));
    }
    state().tags = tags;
}
/// ST(i), whatever its tag.
export fn x87_significand(i: u32) u64 {
    return get(i).m;
}
export fn x87_exponent(i: u32) u32 {
    return get(i).e;
}
export fn x87_set_register(i: u32, m: u64, e: u32) void {
    const r = place(i);
    state().r[r].m = m;
    state().r[r].e = @truncate(e);
}
/// FNINIT.
export fn x87_init() void {
    state().control = 0;
    state().status = 0;
    state().tags = 0;
}
