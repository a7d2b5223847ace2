/* In: wasm3's requests for memory. Out: blocks; the guarded ones are mappings of their own:
 *
 *     | unused | struct block | the block, ending at a page | RC_FENCE_GUARD bytes without access | */
#include "fence.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int rc_fence_guarding;

struct block {
    _Alignas(16) size_t size;
    size_t mapped; /* accessible bytes of its mapping; 0: from malloc(3) */
};

enum { GUARDS_MAX = 8 }; /* two are used: the stack and the memory */
static const char *guards[GUARDS_MAX];

static size_t round_up(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}

static struct block *head(void *block) {
    return (struct block *)block - 1;
}

static char *mapping(void *block) {
    return (char *)block + round_up(head(block)->size, 16) - head(block)->mapped;
}

static int note_guard(const char *old, const char *new) {
    for (int i = 0; i < GUARDS_MAX; i++) {
        if (guards[i] == old) {
            guards[i] = new;
            return 0;
        }
    }
    return -1;
}

int rc_fence_is_guard(const void *address) {
    const char *at = address;
    for (int i = 0; i < GUARDS_MAX; i++) {
        if (guards[i] != NULL && at >= guards[i] && at < guards[i] + RC_FENCE_GUARD) {
            return 1;
        }
    }
    return 0;
}

/* A block of `size` bytes. moved: the pages of this one become its first. */
static void *map(size_t size, void *moved) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t accessible = round_up(sizeof(struct block) + round_up(size, 16), page);
    char *start =
        mmap(NULL, accessible + RC_FENCE_GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
        return NULL;
    }
    char *guard = start + accessible;
    const char *old_guard = NULL;
    int failed;
    if (moved != NULL) {
        size_t old = head(moved)->mapped;
        old_guard = mapping(moved) + old;
        failed = mremap(mapping(moved), old, accessible, MREMAP_MAYMOVE | MREMAP_FIXED, start) == MAP_FAILED;
    } else {
        failed = mprotect(start, accessible, PROT_READ | PROT_WRITE) < 0;
    }
    if (failed || note_guard(old_guard, guard) < 0) {
        munmap(start, accessible + RC_FENCE_GUARD);
        return NULL;
    }
    if (moved != NULL) {
        munmap((void *)(uintptr_t)old_guard, RC_FENCE_GUARD);
    }
    void *block = guard - round_up(size, 16);
    *head(block) = (struct block){.size = size, .mapped = accessible};
    return block;
}

void *rc_fence_calloc(size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / 4 / size) {
        return NULL;
    }
    size *= count;
    if (rc_fence_guarding && size >= RC_FENCE_LARGE) {
        return map(size, NULL);
    }
    struct block *b = calloc(1, sizeof *b + size);
    if (b == NULL) {
        return NULL;
    }
    b->size = size;
    return b + 1;
}

void *rc_fence_realloc(void *block, size_t size) {
    if (block == NULL) {
        return rc_fence_calloc(1, size);
    }
    size_t old = head(block)->size;
    if (size > SIZE_MAX / 4 || size < old) {
        /* wasm3 never shrinks a block, but for memory.grow of so many pages that its sum wraps: that has to fail. */
        return NULL;
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (head(block)->mapped != 0 && (size - old) % page == 0) {
        return map(size, block);
    }
    if (head(block)->mapped != 0 || (rc_fence_guarding && size >= RC_FENCE_LARGE)) {
        void *larger = map(size, NULL);
        if (larger != NULL) {
            memcpy(larger, block, old);
            rc_fence_free(block);
        }
        return larger;
    }
    struct block *b = realloc(head(block), sizeof *b + size);
    if (b == NULL) {
        return NULL;
    }
    b->size = size;
    return b + 1;
}

void rc_fence_free(void *block) {
    if (block != NULL && head(block)->mapped != 0) {
        char *start = mapping(block);
        size_t accessible = head(block)->mapped;
        note_guard(start + accessible, NULL);
        munmap(start, accessible + RC_FENCE_GUARD);
    } else if (block != NULL) {
        free(head(block));
    }
}
