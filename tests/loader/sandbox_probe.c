/* In: the name of one attempt. Out: exit 0 when it went through under rc_sandbox_lock, else death by SIGSYS.
 * The process is the stub's after step 6: fd 3 is its socket. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

static char byte[1] = {'x'};
static struct iovec part = {byte, 1};
static struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
static void *page;
static pid_t self;
static int pair[2];

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
/* X(name, allowed, expression) */
#define ATTEMPTS(X)                                                                                                    \
    X(sendmsg, 1, sendmsg(3, &message, 0))                                                                             \
    X(recvmsg, 1, recvmsg(3, &message, 0))                                                                             \
    X(write_stderr, 1, write(2, "", 0))                                                                                \
    X(mmap_data, 1, mmap(NULL, 4096, PROT_READ | PROT_WRITE, ANON, -1, 0) == MAP_FAILED)                               \
    X(mprotect_none, 1, mprotect(page, 4096, PROT_NONE))                                                               \
    X(mremap, 1, mremap(page, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED)                                               \
    X(munmap, 1, munmap(page, 4096))                                                                                   \
    X(sigaction, 1, signal(SIGTERM, SIG_DFL) == SIG_ERR)                                                               \
    X(kill_self_0, 1, kill(self, 0))                                                                                   \
    X(sendmsg_other, 0, sendmsg(pair[0], &message, 0))                                                                 \
    X(sendmsg_high_word, 0, syscall(SYS_sendmsg, 3L | 1L << 32, &message, 0))                                          \
    X(recvmsg_other, 0, recvmsg(pair[0], &message, MSG_DONTWAIT))                                                      \
    X(sendto, 0, send(3, "x", 1, 0))                                                                                   \
    X(write_stdout, 0, write(1, "", 0))                                                                                \
    X(write_socket, 0, write(3, "", 0))                                                                                \
    X(read_stdin, 0, read(0, byte, 0))                                                                                 \
    X(read_socket, 0, read(3, byte, 0))                                                                                \
    X(mmap_code, 0, mmap(NULL, 4096, PROT_READ | PROT_EXEC, ANON, -1, 0) == MAP_FAILED)                                \
    X(mmap_all, 0, mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, ANON, -1, 0) == MAP_FAILED)                    \
    X(mmap_stdin, 0, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 0) == MAP_FAILED)                                     \
    X(mmap_stdout, 0, mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, 1, 0) == MAP_FAILED)                                    \
    X(mprotect_code, 0, mprotect(page, 4096, PROT_READ | PROT_EXEC))                                                   \
    X(kill_parent, 0, kill(getppid_before, 0))                                                                         \
    X(kill_group, 0, kill(0, 0))                                                                                       \
    X(kill_all, 0, kill(-1, 0))                                                                                        \
    X(getpid, 0, syscall(SYS_getpid) < 0)                                                                              \
    X(openat, 0, openat(AT_FDCWD, "/dev/null", O_RDONLY) < 0)                                                          \
    X(openat2, 0, syscall(437, AT_FDCWD, "/dev/null", page, 24L))                                                      \
    X(close, 0, close(3))                                                                                              \
    X(dup, 0, dup(3))                                                                                                  \
    X(fcntl, 0, fcntl(3, F_GETFD))                                                                                     \
    X(ioctl, 0, syscall(SYS_ioctl, 0, 0x5412, byte)) /* TIOCSTI */                                                     \
    X(socket, 0, socket(AF_INET, SOCK_STREAM, 0))                                                                      \
    X(connect, 0, syscall(SYS_connect, 3, byte, 0))                                                                    \
    X(socketpair, 0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair))                                                        \
    X(clone, 0, syscall(SYS_clone, 17L, 0L, 0L, 0L, 0L))                                                               \
    X(clone3, 0, syscall(435, page, 88L))                                                                              \
    X(execve, 0, execl("/bin/true", "true", (char *)NULL))                                                             \
    X(execveat, 0, syscall(SYS_execveat, 3, "", NULL, NULL, 0x1000))                                                   \
    X(ptrace, 0, syscall(SYS_ptrace, 0, 0, 0, 0))                                                                      \
    X(process_vm_writev, 0, syscall(SYS_process_vm_writev, self, &part, 1, &part, 1, 0))                               \
    X(memfd_create, 0, syscall(SYS_memfd_create, "x", 0))                                                              \
    X(prctl, 0, syscall(SYS_prctl, 3, 0, 0, 0, 0))                                                                     \
    X(seccomp, 0, syscall(SYS_seccomp, 1, 0, page))                                                                    \
    X(io_uring_setup, 0, syscall(425, 8, page))                                                                        \
    X(bpf, 0, syscall(SYS_bpf, 0, page, 0))                                                                            \
    X(unshare, 0, syscall(SYS_unshare, 0))                                                                             \
    X(mount, 0, syscall(SYS_mount, "a", "b", "c", 0, 0))                                                               \
    X(setrlimit, 0, syscall(SYS_prlimit64, 0, 7, 0, page))                                                             \
    X(tgkill_parent, 0, syscall(SYS_tgkill, getppid_before, getppid_before, 0))                                        \
    X(pidfd_open, 0, syscall(434, self, 0))                                                                            \
    X(unknown_4095, 0, syscall(4095))                                                                                  \
    X(x32_write, 0, syscall(0x40000001, 2, "", 0))

int main(int argc, char **argv) {
    struct rc_error err;
    if (argc < 2) {
#define NAME(name, allowed, expression) puts(allowed ? "+" #name : "-" #name);
        ATTEMPTS(NAME)
        return 0;
    }
    pid_t getppid_before = getppid();
    self = getpid();
    page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, ANON, -1, 0);
    int ours[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ours) < 0 || dup2(ours[0], 3) != 3 || write(ours[1], "x", 1) != 1 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || rc_sandbox_no_privileges(&err) < 0 ||
        rc_sandbox_lock(3, &err) < 0) {
        return 99;
    }
#define TRY(name, allowed, expression)                                                                                 \
    if (strcmp(argv[1], #name) == 0) {                                                                                 \
        _exit((expression) < 0);                                                                                       \
    }
    ATTEMPTS(TRY)
    _exit(98);
}
