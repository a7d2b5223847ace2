/* In: a connection and a command. Out: how long its starts take, as seen from here. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vkexec/vkexec.h"

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int no_fds(struct rc_error *err) {
    rc_fail(err, RC_E_PROCESS_FDS, 0, "no fds: %s", strerror(errno));
    return complain(err);
}

/* 0: a guest has ended, or begun (*ended tells); else the status to leave with. */
static int take(int socket, const char *argv0, int *ended, struct rc_error *err) {
    struct answer answer;
    if (client_next(socket, &answer, err) < 0) {
        return complain(err);
    }
    if (strcmp(answer.status, "denied") == 0) {
        return denied(&answer, argv0);
    }
    *ended += strcmp(answer.type, "exit") == 0;
    return 0;
}

int bench(int socket, int count, const struct spawn *spawn) {
    struct rc_error err = {0};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), status = 0;
    for (int i = 1; i <= count && status == 0; i++) {
        int ends[2], ended = 0;
        char bytes[4096];
        const int64_t start = now();
        if (null < 0 || pipe2(ends, O_CLOEXEC) < 0) {
            return no_fds(&err);
        }
        int sent = client_spawn(socket, i, spawn, (int[]){null, ends[1], null}, &err);
        close(ends[1]);
        const int64_t first = sent == 0 && read(ends[0], bytes, sizeof bytes) > 0 ? now() - start : -1;
        while (sent == 0 && read(ends[0], bytes, sizeof bytes) > 0) {
        }
        close(ends[0]);
        status = sent < 0 ? complain(&err) : 0;
        while (status == 0 && !ended) {
            status = take(socket, spawn->argv[0], &ended, &err);
        }
        if (status == 0) {
            printf("%lld %lld\n", (long long)first, (long long)(now() - start));
        }
    }
    return status;
}

int burst(int socket, int count, int in_flight, const struct spawn *spawn) {
    struct rc_error err = {0};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), asked = 0, ended = 0, status = 0;
    const int64_t start = now();
    if (null < 0) {
        return no_fds(&err);
    }
    while (ended < count && status == 0) {
        while (asked < count && asked - ended < in_flight && status == 0) {
            status = client_spawn(socket, ++asked, spawn, (int[]){null, null, null}, &err) < 0 ? complain(&err) : 0;
        }
        status = status ? status : take(socket, spawn->argv[0], &ended, &err);
    }
    if (status == 0) {
        printf("%.0f\n", 1e9 * count / (double)(now() - start));
    }
    return status;
}
