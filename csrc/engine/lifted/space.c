/* In: ranges of guest addresses. Out: mappings of the host at the same distance from `space`. The kernel keeps the
 * protections and the contents; here is only which pages the guest has, since all that it has not are mapped too: as a
 * reservation without access. One bit per page. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/lifted/lifted.h"

enum { PAGES = 1 << 20, FIRST = 16 }; /* vm.mmap_min_addr: 64 KiB */
enum { RESERVED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED };

uint8_t *space;
uint64_t space_top;
static uint64_t mapped[PAGES / 64];

static int is_mapped(uint64_t page) {
    return (int)(mapped[page / 64] >> page % 64 & 1);
}

void space_begin(uint8_t *memory) {
    space = memory;
    space_top = GUEST_SPACE - PAGE;
    mmap(memory, GUEST_SPACE, PROT_NONE, RESERVED, -1, 0);
}

int space_is_valid(uint64_t address, uint64_t size) {
    return address >= (uint64_t)FIRST * PAGE && size <= GUEST_SPACE && address + size <= GUEST_SPACE - PAGE;
}

void space_mark(uint64_t address, uint64_t size, int on) {
    for (uint64_t page = address / PAGE, end = (address + size) / PAGE; page < end; page++) {
        if (page % 64 == 0 && end - page >= 64) {
            mapped[page / 64] = on ? UINT64_MAX : 0;
            page += 63;
        } else if (on) {
            mapped[page / 64] |= UINT64_C(1) << page % 64;
        } else {
            mapped[page / 64] &= ~(UINT64_C(1) << page % 64);
        }
    }
}

uint64_t space_mapped_run(uint64_t address, uint64_t size) {
    uint64_t page = address / PAGE, end = (address + size + PAGE - 1) / PAGE;
    while (page < end && page < PAGES && is_mapped(page)) {
        page += page % 64 == 0 && end - page >= 64 && mapped[page / 64] == UINT64_MAX ? 64 : 1;
    }
    const uint64_t run = page * PAGE > address ? page * PAGE - address : 0;
    return run < size ? run : size;
}

int space_is_mapped(uint64_t address, uint64_t size) {
    return address < GUEST_SPACE && size <= GUEST_SPACE - address && space_mapped_run(address, size) == size;
}

int space_is_free(uint64_t address, uint64_t size) {
    for (uint64_t page = address / PAGE, end = (address + size) / PAGE; page < end; page++) {
        if (page % 64 == 0 && end - page >= 64 && mapped[page / 64] == 0) {
            page += 63;
        } else if (is_mapped(page)) {
            return 0;
        }
    }
    return 1;
}

uint64_t space_find(uint64_t size) {
    const uint64_t want = size / PAGE;
    uint64_t run = 0;
    for (uint64_t page = space_top / PAGE; want && page-- > FIRST;) {
        if (page % 64 == 63 && mapped[page / 64] == UINT64_MAX) {
            run = 0;
            page -= 63;
        } else if (page % 64 == 63 && mapped[page / 64] == 0 && run + 64 < want && page - 63 > FIRST) {
            run += 64;
            page -= 63;
        } else {
            run = is_mapped(page) ? 0 : run + 1;
            if (run == want) {
                return page * PAGE;
            }
        }
    }
    return 0;
}

void space_mend(uint64_t address, uint64_t size) {
    if (mmap(space + address, size, PROT_NONE, RESERVED | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED) {
        space_mark(address, size, 0);
    }
}

int space_map(uint64_t address, uint64_t size, int prot, int flags, int fd, int64_t offset) {
    const int placing = MAP_FIXED_NOREPLACE | MAP_32BIT | MAP_GROWSDOWN;
    if (mmap(space + address, size, prot & ~PROT_EXEC, (flags & ~placing) | MAP_FIXED, fd, offset) == MAP_FAILED) {
        const int error = errno;
        space_mend(address, size);
        return -error;
    }
    space_mark(address, size, 1);
    return 0;
}

int space_unmap(uint64_t address, uint64_t size) {
    if (mmap(space + address, size, PROT_NONE, RESERVED, -1, 0) == MAP_FAILED) {
        return -errno;
    }
    space_mark(address, size, 0);
    return 0;
}
