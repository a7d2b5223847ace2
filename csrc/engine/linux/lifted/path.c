/* In: path strings of a guest. Out: paths for the kernel. All path syscalls come through here: in a process of the
 * user's own they are the kernel's to resolve, in a container its root does. What /proc would say of this process
 * instead of the guest is said here. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/linux/lifted/linux.h"

/* The name below /proc/self, /proc/thread-self or /proc/PID of this process; NULL for another path. */
static const char *own_proc(const char *path) {
    static const char *const selves[] = {"/proc/self/", "/proc/thread-self/"};
    char pid[32];
    for (size_t i = 0; i < sizeof selves / sizeof *selves; i++) {
        if (strncmp(path, selves[i], strlen(selves[i])) == 0) {
            return path + strlen(selves[i]);
        }
    }
    const int length = snprintf(pid, sizeof pid, "/proc/%d/", getpid());
    return strncmp(path, pid, (size_t)length) == 0 ? path + length : NULL;
}

static const char *program_path(void) {
    static char whole[PATH_MAX];
    return realpath(program_file, whole) ? whole : program_file;
}

int64_t linux_path(struct call *call, int at, char *copy, size_t cap) {
    const int64_t length = guest_string(copy, call->arg[at], cap);
    const char *own = length > 0 ? own_proc(copy) : NULL;
    if (own && strcmp(own, "mem") == 0) {
        return -EACCES; /* the engine's memory */
    }
    if (own && strcmp(own, "exe") == 0 && call->nr != SYS_lstat && call->nr != SYS_readlink) {
        snprintf(copy, cap, "%s", program_path());
    }
    return length;
}

HANDLER(open) {
    char path[PATH_MAX];
    const int with_fd = call->nr == SYS_openat;
    const int64_t length = linux_path(call, with_fd, path, sizeof path);
    if (length < 0) {
        return length;
    }
    const char *own = own_proc(path);
    const int64_t fd = own ? proc_open(own, (int)call->arg[1 + with_fd]) : -ENOENT;
    const uint64_t arg[6] = {with_fd ? call->arg[0] : (uint64_t)(int64_t)AT_FDCWD, (uint64_t)(uintptr_t)path,
                             call->arg[1 + with_fd], call->arg[2 + with_fd]};
    return fd != -ENOENT ? fd : host_syscall(SYS_openat, arg);
}

HANDLER(readlink) {
    char path[PATH_MAX];
    const int with_fd = call->nr == SYS_readlinkat;
    uint64_t arg[6] = {0}, size = call->arg[2 + with_fd];
    const int64_t length = guest_string(path, call->arg[with_fd], sizeof path);
    if (length < 0) {
        return length;
    }
    const char *own = own_proc(path);
    if (own && strcmp(own, "exe") == 0) {
        const char *exe = program_path();
        const size_t n = strlen(exe) < size ? strlen(exe) : size;
        return (int32_t)size <= 0 ? -EINVAL : guest_write(call->arg[1 + with_fd], exe, n) < 0 ? -EFAULT : (int64_t)n;
    }
    arg[0] = with_fd ? call->arg[0] : (uint64_t)(int64_t)AT_FDCWD;
    arg[1] = (uint64_t)(uintptr_t)path;
    arg[2] = guest_pointer(call->arg[1 + with_fd]);
    arg[3] = size;
    return host_syscall(SYS_readlinkat, arg);
}
