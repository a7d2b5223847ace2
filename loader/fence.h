/* fence.h: the allocator that csrc/build.py compiles wasm3's m3_core.c with, in the place of malloc(3).
 *
 * wasm3 checks the depth of its stack before the arguments of a call are laid on it, and never before a host function's
 * results are: a valid program can write past the end. So while rc_fence_guarding is set, large blocks end against
 * unmapped memory, and what is written past them stops the process. */
#ifndef LOADER_FENCE_H
#define LOADER_FENCE_H

#include <stddef.h>

/* wasm3 addresses its stack by 16-bit slot numbers of 4 bytes: no overrun is longer than 256 KiB. */
enum { RC_FENCE_GUARD = 1 << 20, RC_FENCE_LARGE = 1 << 16 };

/* Set while the blocks that need a guard are made: the VM's stack and the guest's memory. */
extern int rc_fence_guarding;

void *rc_fence_calloc(size_t count, size_t size);
void *rc_fence_realloc(void *block, size_t size);
void rc_fence_free(void *block);

/* 1 when the address lies in the guard behind some block. */
int rc_fence_is_guard(const void *address);

#endif
