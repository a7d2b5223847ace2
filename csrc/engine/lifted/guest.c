/* In: addresses that a guest passed. Out: copies of what is there, or EFAULT, by trying: the page protections are the
 * kernel's knowledge, so a copy runs until it faults, and the fault's handler (fault.c) takes it out of the copy. */
#include <errno.h>
#include <string.h>

#include "engine/lifted/lifted.h"

/* Bytes that were not copied. A fault at the `rep movsb` goes on behind it, with rcx as it was. */
__asm__(".text\n"
        ".type rc_guest_copy, @function\n"
        "rc_guest_copy:\n"
        "    mov %rdx, %rcx\n"
        "rc_guest_copy_faults:\n"
        "    rep movsb\n"
        "rc_guest_copy_leaves:\n"
        "    mov %rcx, %rax\n"
        "    ret\n"
        ".size rc_guest_copy, . - rc_guest_copy\n");
size_t rc_guest_copy(void *to, const void *from, size_t size);
extern const char rc_guest_copy_faults[], rc_guest_copy_leaves[];

int copy_leave(greg_t *rip) {
    if (*rip != (greg_t)(uintptr_t)rc_guest_copy_faults) {
        return 0;
    }
    *rip = (greg_t)(uintptr_t)rc_guest_copy_leaves;
    return 1;
}

static int outside(uint64_t address, size_t size) {
    return address >= GUEST_SPACE || size > GUEST_SPACE - address;
}

int guest_read(void *to, uint64_t from, size_t size) {
    return outside(from, size) || rc_guest_copy(to, space + from, size) ? -EFAULT : 0;
}

int guest_write(uint64_t to, const void *from, size_t size) {
    return outside(to, size) || rc_guest_copy(space + to, from, size) ? -EFAULT : 0;
}

int64_t guest_string(char *to, uint64_t from, size_t cap) {
    for (size_t at = 0; at < cap;) {
        size_t step = PAGE - (from + at) % PAGE;
        step = step < cap - at ? step : cap - at;
        if (guest_read(to + at, from + at, step) < 0) {
            return -EFAULT;
        }
        const char *end = memchr(to + at, 0, step);
        if (end) {
            return end - to;
        }
        at += step;
    }
    return -ENAMETOOLONG;
}

uint64_t guest_pointer(uint64_t address) {
    return address == 0 ? 0 : (uint64_t)(uintptr_t)(space + (address < GUEST_SPACE ? address : 0));
}
