/* In: a syscall's number and arguments. Out: the kernel's value, or -errno: what the kernel itself returns. */
#include <errno.h>
#include <unistd.h>

#include "base/base.h"

int64_t rc_syscall(int64_t nr, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f) {
    long value = syscall((long)nr, (long)a, (long)b, (long)c, (long)d, (long)e, (long)f);

    return value == -1 ? -errno : value;
}
