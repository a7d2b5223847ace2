/* A bare UNIX round trip: one process sends a frame's worth of bytes, another answers; prints nanoseconds per trip.
 * usage: roundtrip COUNT REQUEST_BYTES REPLY_BYTES */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int exchange(int fd, const char *out, size_t out_len, char *in, size_t in_len) {
    if (out_len && write(fd, out, out_len) != (ssize_t)out_len) {
        return -1;
    }
    for (size_t got = 0; got < in_len;) {
        ssize_t n = read(fd, in + got, in_len - got);
        if (n <= 0) {
            return -1;
        }
        got += (size_t)n;
    }
    return 0;
}

int main(int argc, char **argv) {
    static char buffer[4096];
    if (argc != 4) {
        return 2;
    }
    long count = atol(argv[1]);
    size_t request = (size_t)atol(argv[2]), reply = (size_t)atol(argv[3]);
    int pair[2];
    if (request > sizeof buffer || reply > sizeof buffer || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        return 2;
    }
    if (fork() == 0) {
        close(pair[0]);
        while (exchange(pair[1], NULL, 0, buffer, request) == 0 && write(pair[1], buffer, reply) == (ssize_t)reply)
            ;
        _exit(0);
    }
    close(pair[1]);
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < count; i++) {
        if (exchange(pair[0], buffer, request, buffer, reply) != 0) {
            return 1;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.0f\n",
           ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / (double)count);
    return 0;
}
