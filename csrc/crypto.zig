//! BLAKE3 and Ed25519 of Zig's standard library behind a C ABI (prototypes in rc.h).
//! In: caller-owned buffers. Out: digests, or 0 / -1. Nothing allocates, nothing panics on input.
const std = @import("std");
const Blake3 = std.crypto.hash.Blake3;
const Ed25519 = std.crypto.sign.Ed25519;
const Point = std.crypto.ecc.Edwards25519;

/// The caller provides the state as opaque bytes; struct rc_blake3 in rc.h must be no smaller.
const state_size = 2048;

comptime {
    if (@sizeOf(Blake3) > state_size) @compileError("raise the state of struct rc_blake3 in rc.h and state_size here");
    if (@alignOf(Blake3) > 16) @compileError("raise the alignment of struct rc_blake3 in rc.h");
}

export fn rc_blake3_init(state: *align(16) [state_size]u8) void {
    const h: *Blake3 = @ptrCast(state);
    h.* = Blake3.init(.{});
}

export fn rc_blake3_update(state: *align(16) [state_size]u8, data: [*]const u8, len: usize) void {
    const h: *Blake3 = @ptrCast(state);
    h.update(data[0..len]);
}

export fn rc_blake3_final(state: *align(16) const [state_size]u8, out: *[32]u8) void {
    const h: *const Blake3 = @ptrCast(state);
    h.final(out);
}

export fn rc_blake3(data: [*]const u8, len: usize, out: *[32]u8) void {
    Blake3.hash(data[0..len], out, .{});
}

/// A canonical encoding of a point of the prime-order subgroup, the identity excluded.
fn acceptablePoint(encoded: [32]u8) !void {
    try Point.rejectNonCanonical(encoded);
    const point = try Point.fromBytes(encoded);
    try point.rejectLowOrder();
    try point.rejectUnexpectedSubgroup();
}

export fn rc_ed25519_point_ok(public_key: *const [32]u8) c_int {
    acceptablePoint(public_key.*) catch return -1;
    return 0;
}

fn verify(public_key: [32]u8, signature: [64]u8, message: []const u8) !void {
    try acceptablePoint(public_key);
    try acceptablePoint(signature[0..32].*);
    try std.crypto.ecc.Edwards25519.scalar.rejectNonCanonical(signature[32..64].*);
    const key = try Ed25519.PublicKey.fromBytes(public_key);
    try Ed25519.Signature.fromBytes(signature).verify(message, key);
}

/// PureEd25519 (RFC 8032) with the acceptance gate of docs/format.md: 0 accepted, -1 refused.
export fn rc_ed25519_verify(public_key: *const [32]u8, signature: *const [64]u8, message: [*]const u8, len: usize) c_int {
    verify(public_key.*, signature.*, message[0..len]) catch return -1;
    return 0;
}
