//! Ed25519 of Zig's standard library behind a C ABI (prototypes in base.h), with the acceptance gate of docs/format.md.
//! In: caller-owned buffers. Out: 0 accepted, -1 refused. Nothing allocates, nothing panics on input.
const std = @import("std");
const Ed25519 = std.crypto.sign.Ed25519;
const Point = std.crypto.ecc.Edwards25519;

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
