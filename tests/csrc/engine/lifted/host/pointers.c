/* Bad pointers: EFAULT, and nothing else happens. */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "check.h"

void pointers(void) {
    static char *const bad[] = {(char *)8, (char *)-8, (char *)0x800000000000, (char *)0x123400000000};
    char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(edge + 4096, 4096);
    memset(edge, 'e', 4096);
    int ends[2];
    SAY(pipe(ends));
    const int file = open("pointers", O_RDWR | O_CREAT | O_TRUNC, 0600);
    SAY(write(file, edge + 4090, 100)); /* what is there */
    SAY(lseek(file, 0, SEEK_SET));
    SAY(read(file, edge + 4093, 100));
    SAY(open(edge + 4000, O_RDONLY)); /* no NUL before the end */
    strcpy(edge + 4096 - 9, "pointers");
    SAY(open(edge + 4096 - 9, O_RDONLY) > 0);
    for (int i = 0; i < 4; i++) {
        char *p = bad[i];
        struct iovec v[2] = {{edge, 4}, {p, 4}};
        SAY(syscall(SYS_write, file, p, 4));
        SAY(syscall(SYS_read, file, p, 4));
        SAY(syscall(SYS_open, p, O_RDONLY));
        SAY(syscall(SYS_newfstatat, AT_FDCWD, ".", p, 0));
        SAY(syscall(SYS_stat, p, edge));
        SAY(syscall(SYS_writev, file, p, 1));
        SAY(syscall(SYS_readv, ends[0], p, 1));
        SAY(syscall(SYS_writev, file, v + 1, 1));
        SAY(syscall(SYS_pipe, p));
        SAY(syscall(SYS_poll, p, 1, 0));
        SAY(syscall(SYS_rt_sigaction, SIGUSR1, p, NULL, 8));
        SAY(syscall(SYS_rt_sigaction, SIGUSR1, NULL, p, 8));
        SAY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, p, NULL, 8));
        SAY(syscall(SYS_sigaltstack, p, NULL));
        SAY(syscall(SYS_sendmsg, 0, p, 0));
        SAY(syscall(SYS_getcwd, p, 100));
        SAY(syscall(SYS_uname, p));
        SAY(syscall(SYS_clock_gettime, 0, p));
        SAY(syscall(SYS_nanosleep, p, NULL));
        SAY(syscall(SYS_getdents64, file, p, 100));
        SAY(syscall(SYS_getrandom, p, 8, 0));
        SAY(syscall(SYS_fcntl, file, F_GETLK, p));
        SAY(syscall(SYS_prlimit64, 0, 7, p, NULL));
        SAY(syscall(SYS_prlimit64, 0, 9, NULL, p)); /* RLIMIT_AS */
        SAY(syscall(SYS_futex, p, 1, 1, NULL, NULL, 0) == -1);
        SAY(syscall(SYS_munmap, p, 4096));
        SAY(syscall(SYS_readlink, p, edge, 10));
        SAY(syscall(SYS_readlink, "/proc/self/exe", p, 10));
    }
    SAY(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
    SAY(syscall(SYS_rt_sigaction, SIGKILL, edge, NULL, 8));
    SAY(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
    SAY(syscall(SYS_rt_sigprocmask, 7, edge, NULL, 8));
}
