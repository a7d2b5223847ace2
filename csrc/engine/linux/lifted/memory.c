/* In: mmap and its kin. Out: Linux's answers for the 4 GiB of the guest: a mapping is one of the host, at the guest's
 * address, with the guest's protection; never executable. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "engine/linux/lifted/linux.h"

#define TASK_SIZE UINT64_C(0x7ffffffff000) /* of Linux on x86-64 */

static uint64_t brk_first, brk_now;

static uint64_t up(uint64_t size) {
    return (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static int aligned(uint64_t address) {
    return address % PAGE == 0;
}

static uint64_t at(uint64_t address) {
    return (uint64_t)(uintptr_t)space + address;
}

void brk_begin(const struct program *p) {
    brk_first = brk_now = p->end;
}

HANDLER(brk) {
    const uint64_t want = call->arg[0], from = up(brk_now), to = up(want);
    if (want < brk_first || want >= space_top) {
        return (int64_t)brk_now;
    }
    if (to > from && (!space_is_free(from, to - from) ||
                      space_map(from, to - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) < 0)) {
        return (int64_t)brk_now;
    }
    if (to < from) {
        space_unmap(to, from - to);
    }
    brk_now = want;
    return (int64_t)brk_now;
}

HANDLER(mmap) {
    const uint64_t hint = call->arg[0], size = up(call->arg[1]);
    const int prot = (int)call->arg[2], flags = (int)call->arg[3], fd = (int)call->arg[4];
    uint64_t address = hint & ~(uint64_t)(PAGE - 1);
    if (call->arg[1] == 0 || !aligned(call->arg[5])) {
        return -EINVAL;
    }
    if (call->arg[1] > GUEST_SPACE) {
        return -ENOMEM;
    }
    if (prot & PROT_EXEC) {
        return -EACCES; /* new code is not lifted code */
    }
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (!aligned(hint)) {
            return -EINVAL;
        }
        if (!space_is_valid(hint, size)) {
            return hint < GUEST_SPACE && hint + size <= GUEST_SPACE ? -EPERM : -ENOMEM;
        }
        if ((flags & MAP_FIXED_NOREPLACE) && !space_is_free(hint, size)) {
            return -EEXIST;
        }
    } else if (!address || !space_is_valid(address, size) || !space_is_free(address, size)) {
        address = space_find(size);
        if (!address) {
            return -ENOMEM;
        }
    }
    const int result = space_map(address, size, prot, flags, fd, (int64_t)call->arg[5]);
    return result < 0 ? result : (int64_t)address;
}

HANDLER(munmap) {
    const uint64_t size = up(call->arg[1]);
    const uint64_t address = call->arg[0];
    if (!aligned(address) || call->arg[1] == 0 || address > TASK_SIZE || size > TASK_SIZE - address) {
        return -EINVAL;
    }
    if (address >= GUEST_SPACE) {
        return 0; /* nothing is there */
    }
    return space_unmap(address, size < GUEST_SPACE - address ? size : GUEST_SPACE - address);
}

HANDLER(mprotect) {
    const uint64_t address = call->arg[0], size = up(call->arg[1]);
    if (!aligned(address)) {
        return -EINVAL;
    }
    if (size == 0) {
        return 0;
    }
    if (address >= GUEST_SPACE || size > GUEST_SPACE - address) {
        return -ENOMEM;
    }
    if (call->arg[2] & PROT_EXEC) {
        return -EACCES;
    }
    const uint64_t run = space_mapped_run(address, size); /* Linux too changes what is before a hole */
    const int64_t result = run ? HOST_NOW(SYS_mprotect, at(address), run, call->arg[2]) : 0;
    return result < 0 ? result : run < size ? -ENOMEM : 0;
}

/* Room for a mapping that is to grow in place: the reservation behind it is given up, and taken again on failure. */
static int64_t grow(uint64_t address, uint64_t from, uint64_t to) {
    if (!space_is_valid(address, to) || !space_is_free(address + from, to - from)) {
        return -ENOMEM;
    }
    HOST_NOW(SYS_munmap, at(address + from), to - from);
    const int64_t result = HOST_NOW(SYS_mremap, at(address), from, to, 0);
    if (result < 0) {
        space_unmap(address + from, to - from);
        return result;
    }
    space_mark(address + from, to - from, 1);
    return (int64_t)address;
}

static int64_t move(uint64_t address, uint64_t from, uint64_t to, uint64_t target, uint64_t flags) {
    const uint64_t keep = flags & MREMAP_DONTUNMAP;
    const int64_t result =
        HOST_NOW(SYS_mremap, at(address), from, to, MREMAP_MAYMOVE | MREMAP_FIXED | keep, at(target));
    if (result < 0) {
        space_mend(target, to);
        return result;
    }
    if (!keep) {
        space_unmap(address, from);
    }
    space_mark(target, to, 1);
    return (int64_t)target;
}

HANDLER(mremap) {
    const uint64_t address = call->arg[0], from = up(call->arg[1]), to = up(call->arg[2]), flags = call->arg[3];
    uint64_t target = call->arg[4];
    if (!aligned(address) || to == 0 || flags & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) ||
        ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE)) ||
        ((flags & MREMAP_DONTUNMAP) && from != to)) {
        return -EINVAL;
    }
    if (from == 0) {
        return -EINVAL; /* a second view of a shared mapping: not offered */
    }
    if (!space_is_mapped(address, from)) {
        return -EFAULT;
    }
    if (flags & MREMAP_FIXED) {
        if (!aligned(target) || !space_is_valid(target, to) || (target < address + from && address < target + to)) {
            return -EINVAL;
        }
        return move(address, from, to, target, flags);
    }
    if (to < from) {
        const int result = space_unmap(address + to, from - to);
        return result < 0 ? result : (int64_t)address;
    }
    if (!(flags & MREMAP_DONTUNMAP)) {
        if (to == from) {
            return (int64_t)address;
        }
        const int64_t result = grow(address, from, to);
        if (result >= 0 || !(flags & MREMAP_MAYMOVE)) {
            return result;
        }
    }
    target = space_find(to);
    return target ? move(address, from, to, target, flags) : -ENOMEM;
}

/* What only concerns pages of the guest; not those that would change how its process forks or poison memory. */
static int advice_is_plain(uint64_t advice) {
    switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_REMOVE:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
        return 1;
    default:
        return 0;
    }
}

/* Calls about the pages from arg[0] on: on those that the guest has, -ENOMEM when that is not all of them. */
static int64_t on_pages(struct call *call, int64_t nr, uint64_t third) {
    const uint64_t address = call->arg[0], size = up(call->arg[1]);
    if (address >= GUEST_SPACE || size > GUEST_SPACE - address) {
        return -ENOMEM;
    }
    const uint64_t run = space_mapped_run(address, size);
    const int64_t result = run || !size ? HOST_NOW(nr, at(address), run, third) : 0;
    return result < 0 ? result : run < size ? -ENOMEM : 0;
}

HANDLER(madvise) {
    if (!aligned(call->arg[0]) || !advice_is_plain(call->arg[2])) {
        return -EINVAL;
    }
    return on_pages(call, SYS_madvise, call->arg[2]);
}

HANDLER(mlock) {
    call->arg[1] += call->arg[0] % PAGE;
    call->arg[0] -= call->arg[0] % PAGE;
    return on_pages(call, call->nr, call->nr == SYS_mlock2 ? call->arg[2] : 0);
}

HANDLER(msync) {
    return aligned(call->arg[0]) ? on_pages(call, SYS_msync, call->arg[2]) : -EINVAL;
}

HANDLER(mincore) {
    if (!aligned(call->arg[0])) {
        return -EINVAL;
    }
    const int all = space_is_mapped(call->arg[0], up(call->arg[1]));
    return all ? on_pages(call, SYS_mincore, guest_pointer(call->arg[2])) : -ENOMEM;
}
