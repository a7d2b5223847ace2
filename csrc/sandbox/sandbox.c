/* In: the stub's process as its parent left it. Out: the same process with nothing but what a guest's syscalls need. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sandbox/seccomp.h"

int rc_sandbox_standard_fds(struct rc_error *err) {
    for (int fd = 0; fd <= 2; fd++) {
        struct stat st;
        if (fcntl(fd, F_GETFD) >= 0) {
            continue;
        }
        int opened = open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_NOFOLLOW);
        if (opened != fd || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
            return rc_fail(err, RC_E_PROCESS_FDS, 0, "fd %d is closed and /dev/null cannot stand in for it", fd);
        }
    }
    return 0;
}

static int close_range_or_each(unsigned first, unsigned last) {
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0) {
        return 0;
    }
    if (errno != ENOSYS && errno != EPERM) {
        return -1;
    }
    struct rlimit limit; /* before Linux 5.9, or a container runtime that does not know close_range */
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return -1;
    }
    for (unsigned fd = first; fd <= last && fd < limit.rlim_max && fd < 1u << 20; fd++) {
        close((int)fd);
    }
    return 0;
}

int rc_sandbox_close_fds(int keep, struct rc_error *err) {
    unsigned kept = keep < 0 ? ~0u : (unsigned)keep;
    if (keep >= 0 && fcntl(keep, F_SETFD, FD_CLOEXEC) < 0) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0, "inherited fd %d is not open", keep);
    }
    if (close_range_or_each(3, kept - 1) < 0 || (keep >= 0 && close_range_or_each(kept + 1, ~0u) < 0)) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0, "cannot close inherited fds: %s", strerror(errno));
    }
    return 0;
}

int rc_sandbox_no_privileges(struct rc_error *err) {
    struct rlimit none = {0, 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "cannot give up privileges: %s", strerror(errno));
    }
    return 0;
}

int rc_sandbox_lock(int socket_fd, struct rc_error *err) {
    const uint32_t socket = (uint32_t)socket_fd, self = (uint32_t)getpid();
    const struct rc_seccomp_rule rules[] = {
        /* the guest's syscalls */
        {SYS_sendmsg, {{RC_SECCOMP_EQUAL, 0, socket}}},
        {SYS_recvmsg, {{RC_SECCOMP_EQUAL, 0, socket}}},
        /* memory for wasm3 and its guest; never code, and never the files behind fds 0, 1, 2 */
        {SYS_mmap, {{RC_SECCOMP_WITHOUT, 2, PROT_EXEC}, {RC_SECCOMP_WITH, 3, MAP_ANONYMOUS}}},
        {SYS_mprotect, {{RC_SECCOMP_WITHOUT, 2, PROT_EXEC}}},
        {.nr = SYS_mremap},
        {.nr = SYS_munmap},
        /* the end: a last line, a signal to itself with its default action, or an exit code */
        {SYS_write, {{RC_SECCOMP_EQUAL, 0, STDERR_FILENO}}},
        {.nr = SYS_rt_sigaction},
        {.nr = SYS_rt_sigprocmask},
        {SYS_kill, {{RC_SECCOMP_EQUAL, 0, self}}},
        {.nr = SYS_exit_group},
    };
    return rc_seccomp_install(rules, sizeof rules / sizeof *rules, err);
}
