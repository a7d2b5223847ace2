/* In: a syscall of the guest. Out: what Linux answers, and where the guest goes on. Most rows of the table are Linux's
 * own answer once pointers and paths are the host's; the kernel checks the memory behind them, page by page, and the
 * reservation behind the guest's 4 GiB stops whatever runs over their end. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "engine/linux/lifted/linux.h"

enum { NUMBERS = 512, SYSCALL_BYTES = 2 };

static const struct linux_row *row_of(uint32_t nr) {
    static const struct linux_row *by_number[NUMBERS];
    static int filled;
    if (!filled) {
        for (int i = 0; i < linux_row_count; i++) {
            by_number[linux_rows[i].nr] = &linux_rows[i];
        }
        filled = 1;
    }
    return nr < NUMBERS ? by_number[nr] : NULL;
}

/* What Linux answers, with the row's pointers and strings made the host's. */
static int64_t pass(struct call *call, const struct linux_row *row) {
    static char paths[2][PATH_MAX];
    uint64_t arg[6];
    int strings = 0;
    for (int i = 0; i < 6; i++) {
        arg[i] = call->arg[i];
        if ((row->strings >> i & 1) && arg[i]) {
            const int64_t length = linux_path(call, i, paths[strings], sizeof paths[0]);
            if (length < 0) {
                return length;
            }
            arg[i] = (uint64_t)(uintptr_t)paths[strings++];
        } else if (row->pointers >> i & 1) {
            arg[i] = guest_pointer(arg[i]);
        }
    }
    return host_syscall(row->nr, arg);
}

int64_t syscall_answer(struct call *call) {
    const struct linux_row *row = row_of(call->nr);
    return !row ? -ENOSYS : row->handler ? row->handler(call) : pass(call, row);
}

int64_t syscall_finish(struct call *call, int64_t result) {
    if (result == SYS_RESTART) { /* the instruction again, behind the handlers */
        result = call->nr;
        call->pc -= SYSCALL_BYTES;
    }
    if (signal_is_due()) {
        register_set(RAX, (uint64_t)result);
        call->pc = signal_deliver(call->pc);
        result = (int64_t)register_get(RAX);
    }
    return result;
}

int syscall_document(void) {
    for (int i = 0; i < linux_row_count; i++) {
        const struct linux_row *row = &linux_rows[i];
        printf("%u\t%s\t%s\t%s\n", row->nr, row->name, row->status, row->remark);
    }
    return 0;
}
