/* starts COUNT PROGRAM ARGV...: fork + execve, one after the other. Per start, one line as vkexec --bench says it: ns
 * to the first byte of output, ns to its end. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char **argv) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (argc < 3 || null < 0) {
        return 2;
    }
    for (int i = atoi(argv[1]); i > 0; i--) {
        char bytes[4096];
        int ends[2], status;
        long long start = now();
        if (pipe2(ends, O_CLOEXEC) < 0) {
            return 3;
        }
        pid_t pid = fork();
        if (pid == 0) {
            dup2(null, 0);
            dup2(ends[1], 1);
            execve(argv[2], argv + 2, environ);
            _exit(127);
        }
        close(ends[1]);
        if (pid < 0 || read(ends[0], bytes, sizeof bytes) <= 0) {
            return 4;
        }
        long long first = now() - start;
        while (read(ends[0], bytes, sizeof bytes) > 0) {
        }
        close(ends[0]);
        if (waitpid(pid, &status, 0) < 0 || status) {
            return 5;
        }
        printf("%lld %lld\n", first, now() - start);
    }
    return 0;
}
