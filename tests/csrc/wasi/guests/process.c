/* Arguments, environment, clocks, random bytes, standard input and poll: what a process has besides files. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        printf("argument %d: %s\n", i, argv[i]);
    }
    printf("GUEST=%s\n", getenv("GUEST"));
    struct timespec a, b, third = {0, 30000000};
    clock_gettime(CLOCK_MONOTONIC, &a);
    printf("nanosleep: %d\n", nanosleep(&third, NULL));
    clock_gettime(CLOCK_MONOTONIC, &b);
    long long ns = (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec;
    printf("slept long enough: %d\n", ns >= 30000000);
    printf("time is after 2020: %d\n", time(NULL) > 1577836800);
    unsigned char random[1000] = {0};
    for (int i = 0; i < 1000; i += 250) {
        printf("getentropy: %d\n", getentropy(random + i, 250));
    }
    int zeros = 0;
    for (int i = 0; i < 1000; i++) {
        zeros += random[i] == 0;
    }
    printf("few zeros: %d\n", zeros < 50);
    struct pollfd p = {0, POLLIN, 0};
    printf("poll: %d %d\n", poll(&p, 1, 5000), p.revents & POLLIN);
    char line[100];
    while (fgets(line, sizeof line, stdin)) {
        printf("line: %s", line);
    }
    p.fd = 99;
    printf("poll of a closed fd: %d %d\n", poll(&p, 1, 5000), p.revents == POLLNVAL);
    printf("isatty: %d\n", isatty(0));
    fprintf(stderr, "to stderr\n");
    exit(42);
}
