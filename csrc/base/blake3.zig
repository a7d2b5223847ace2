//! BLAKE3 of Zig's standard library behind a C ABI (prototypes in base.h).
//! In: caller-owned buffers. Out: digests. Nothing allocates, nothing panics on input.
const std = @import("std");
const builtin = @import("builtin");
const Blake3 = std.crypto.hash.Blake3;

/// The caller provides the state as opaque bytes; struct rc_blake3 in base.h must be no smaller.
const state_size = 2048;

/// Built for a CPU with AVX2, the names end in _avx2: base/blake3_avx2.c chooses between the two builds.
const wide = builtin.cpu.arch == .x86_64 and std.Target.x86.featureSetHas(builtin.cpu.features, .avx2);
const suffix = if (wide) "_avx2" else "";

comptime {
    @export(&init, .{ .name = "rc_blake3_init" ++ suffix });
    @export(&update, .{ .name = "rc_blake3_update" ++ suffix });
    @export(&final, .{ .name = "rc_blake3_final" ++ suffix });
    @export(&hash, .{ .name = "rc_blake3" ++ suffix });
    if (@sizeOf(Blake3) > state_size) @compileError("raise the state of struct rc_blake3 in base.h and state_size here");
    if (@alignOf(Blake3) > 16) @compileError("raise the alignment of struct rc_blake3 in base.h");
}

fn init(state: *align(16) [state_size]u8) callconv(.c) void {
    const h: *Blake3 = @ptrCast(state);
    h.* = Blake3.init(.{});
}

fn update(state: *align(16) [state_size]u8, data: [*]const u8, len: usize) callconv(.c) void {
    const h: *Blake3 = @ptrCast(state);
    h.update(data[0..len]);
}

fn final(state: *align(16) const [state_size]u8, out: *[32]u8) callconv(.c) void {
    const h: *const Blake3 = @ptrCast(state);
    h.final(out);
}

fn hash(data: [*]const u8, len: usize, out: *[32]u8) callconv(.c) void {
    Blake3.hash(data[0..len], out, .{});
}
