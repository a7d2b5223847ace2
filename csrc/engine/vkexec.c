/* vkexec: the smallest client of a container. In: its control socket, inherited. Out: one guest run with this process's
 * fds 0, 1, 2, and its status; or times of many starts.
 *
 *   vkexec FD ENTRY CWD ARGV...             exits as the guest; a guest that dies by a signal: 128 + signal
 *   vkexec --bench FD COUNT ENTRY ARGV...   per start, one line: ns to the first byte of output, ns to its exit
 *   vkexec --native COUNT PROGRAM ARGV...   the same of fork + execve */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control.h"

extern char **environ;

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "vkexec: %s: %s\n", what, strerror(errno));
    exit(125);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static size_t append(char *data, size_t at, const char *text) {
    size_t size = strlen(text) + 1;
    if (size > CONTROL_DATA - at) {
        errno = E2BIG;
        fail("arguments");
    }
    memcpy(data + at, text, size);
    return at + size;
}

/* Asks for a guest; the answer and the exit come as records. */
static void spawn(int control, int64_t entry, const char *cwd, char **argv, char **envp, const int fd[3]) {
    static char data[CONTROL_DATA];
    struct control_record record = {.magic = CONTROL_MAGIC, .type = CONTROL_SPAWN, .id = 1, .value = {entry}};
    size_t len = 0;
    for (; argv[record.value[1]]; record.value[1]++) {
        len = append(data, len, argv[record.value[1]]);
    }
    for (; envp[record.value[2]]; record.value[2]++) {
        len = append(data, len, envp[record.value[2]]);
    }
    len = append(data, len, cwd);
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(3 * sizeof(int))];
    } space = {.header = {.cmsg_len = CMSG_LEN(3 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&space.header), fd, 3 * sizeof *fd);
    struct iovec part[] = {{&record, sizeof record}, {data, len}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2, .msg_control = &space, .msg_controllen = sizeof space};
    if (sendmsg(control, &message, MSG_NOSIGNAL) < 0) {
        fail("the container");
    }
}

/* Reads records until the guest has ended: its status, or 128 + signal. */
static int wait_exit(int control) {
    char bytes[sizeof(struct control_record) + 512];
    for (;;) {
        struct control_record record;
        ssize_t got = recv(control, bytes, sizeof bytes - 1, 0);
        if (got < (ssize_t)sizeof record) {
            errno = got < 0 ? errno : EPIPE;
            fail("the container");
        }
        memcpy(&record, bytes, sizeof record);
        if (record.type == CONTROL_EXITED) {
            return record.value[2] ? 128 + (int)record.value[2] : (int)record.value[1];
        }
        if (record.value[0] < 0) {
            bytes[got] = 0;
            fprintf(stderr, "vkexec: %s\n", bytes + sizeof record);
            exit(125);
        }
    }
}

static void first_byte(int fd, int64_t start, int64_t *first) {
    char bytes[4096];
    *first = read(fd, bytes, sizeof bytes) > 0 ? now() - start : -1;
    while (read(fd, bytes, sizeof bytes) > 0) {
    }
    close(fd);
}

static void bench(int control, int count, int64_t entry, char **argv) {
    char *none[] = {NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < count; i++) {
        int pipes[2];
        int64_t start = now(), first;
        if (null < 0 || pipe2(pipes, O_CLOEXEC) < 0) {
            fail("pipe");
        }
        spawn(control, entry, "/", argv, none, (int[]){null, pipes[1], null});
        close(pipes[1]);
        first_byte(pipes[0], start, &first);
        wait_exit(control);
        printf("%lld %lld\n", (long long)first, (long long)(now() - start));
    }
}

static void native(int count, char **argv) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < count; i++) {
        int pipes[2];
        int64_t start = now(), first;
        if (null < 0 || pipe2(pipes, O_CLOEXEC) < 0) {
            fail("pipe");
        }
        pid_t pid = fork();
        if (pid == 0) {
            dup2(null, 0);
            dup2(pipes[1], 1);
            dup2(null, 2);
            execve(argv[0], argv, environ);
            _exit(127);
        }
        close(pipes[1]);
        first_byte(pipes[0], start, &first);
        if (pid < 0 || waitpid(pid, NULL, 0) < 0) {
            fail("fork");
        }
        printf("%lld %lld\n", (long long)first, (long long)(now() - start));
    }
}

int main(int argc, char **argv) {
    if (argc > 5 && strcmp(argv[1], "--bench") == 0) {
        bench(atoi(argv[2]), atoi(argv[3]), atoll(argv[4]), argv + 5);
        return 0;
    }
    if (argc > 3 && strcmp(argv[1], "--native") == 0) {
        native(atoi(argv[2]), argv + 3);
        return 0;
    }
    if (argc < 5 || argv[1][0] == '-') {
        fprintf(stderr, "usage: vkexec CONTROL-FD ENTRY CWD ARGV... (docs/engine.md)\n");
        return 125;
    }
    spawn(atoi(argv[1]), atoll(argv[2]), argv[3], argv + 4, environ, (int[]){0, 1, 2});
    return wait_exit(atoi(argv[1]));
}
