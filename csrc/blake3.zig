//! BLAKE3 of Zig's standard library behind a C ABI (prototypes in rc.h).
//! In: caller-owned buffers. Out: digests. Nothing allocates, nothing panics on input.
const std = @import("std");
const Blake3 = std.crypto.hash.Blake3;

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
