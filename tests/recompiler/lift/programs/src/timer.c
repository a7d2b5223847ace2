// A timer's signal interrupts loops without syscalls; integers, flags and floats are kept over the handler.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks;
static void tick(int number) {
    volatile double spoil[8];
    for (int n = 0; n < 8; n++) {
        spoil[n] = n * 1.5 + number;
    }
    ticks += spoil[7] > 0;
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    struct sigaction action = {.sa_handler = tick};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &every, NULL);
    double sum = 0;
    unsigned long hash = 1, rounds = 0;
    while (ticks < 20) {
        sum = 0, hash = 1, rounds++;
        for (int n = 1; n < 3000; n++) {
            sum += 1.0 / n, hash = hash * 31 + (unsigned long)n, hash ^= hash >> 7;
        }
    }
    printf("%.15g %lx %d\n", sum, hash, rounds > 0);
    ticks = 0;
    while (!ticks)
        ;
    memset(&every, 0, sizeof every), setitimer(ITIMER_REAL, &every, NULL);
    return 0;
}
