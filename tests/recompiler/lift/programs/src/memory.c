// Memory: malloc, calloc, realloc, aligned blocks, mmap, mremap, munmap, mprotect, brk; patterns kept over all of it.
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned seed = 11;
static unsigned next(void) {
    return seed = seed * 1103515245 + 12345;
}
static struct {
    uint8_t *at;
    size_t size;
    uint8_t mark;
} blocks[300];
static int good(int n) {
    for (size_t i = 0; i < blocks[n].size; i++) {
        if (blocks[n].at[i] != (uint8_t)(blocks[n].mark + i)) {
            return 0;
        }
    }
    return 1;
}
static void fill(int n, size_t from) {
    for (size_t i = from; i < blocks[n].size; i++) {
        blocks[n].at[i] = (uint8_t)(blocks[n].mark + i);
    }
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    int bad = 0;
    size_t total = 0;
    for (int turn = 0; turn < 6000; turn++) {
        int n = (int)(next() >> 8) % 300;
        size_t size = (next() >> 8) % (turn % 100 ? 700 : 200000) + 1;
        if (blocks[n].at && !good(n)) {
            bad++;
        }
        switch (next() >> 12 & 3) {
        case 0:
            free(blocks[n].at), blocks[n].at = NULL, blocks[n].size = 0;
            break;
        case 1: {
            size_t from = blocks[n].size < size ? blocks[n].size : size;
            blocks[n].at = realloc(blocks[n].at, size), blocks[n].size = size;
            fill(n, from);
            break;
        }
        case 2: {
            free(blocks[n].at), blocks[n].at = calloc(size, 1), blocks[n].size = size;
            for (size_t i = 0; i < size; i++) {
                bad += blocks[n].at[i] != 0;
            }
            blocks[n].mark = (uint8_t)next(), fill(n, 0);
            break;
        }
        default: {
            void *at = NULL;
            size_t alignment = (size_t)16 << (next() >> 12 & 7);
            free(blocks[n].at);
            bad += posix_memalign(&at, alignment, size) != 0 || (uintptr_t)at % alignment;
            blocks[n].at = at, blocks[n].size = size, fill(n, 0);
        }
        }
        total += blocks[n].size;
    }
    printf("%d %zu\n", bad, total);
    uint8_t *map = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t n = 0; n < 8 << 20; n += 4096) {
        map[n] = (uint8_t)(n >> 12);
    }
    map = mremap(map, 8 << 20, 24 << 20, MREMAP_MAYMOVE);
    for (size_t n = 0; n < 8 << 20; n += 4096) {
        bad += map[n] != (uint8_t)(n >> 12);
    }
    printf("%d %d\n", bad, map[20 << 20]);
    map = mremap(map, 24 << 20, 4096, MREMAP_MAYMOVE);
    printf("%d\n", munmap(map, 4096));
    errno = 0;
    printf("%d %d\n", munmap((void *)1, 4096), errno == EINVAL);
    printf("%d\n", malloc(SIZE_MAX / 2) == NULL);
    return bad;
}
