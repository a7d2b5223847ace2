// ucontext: coroutines that yield to each other (glibc; musl has no makecontext).
#include <stdio.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <ucontext.h>

static ucontext_t home, tasks[4];
static char stacks[4][65536];
static long sum;

static void work(int id, int steps) {
    for (int i = 0; i < steps; i++) {
        sum = sum * 5 + id * 100 + i;
        if (i % 3 == id % 3) {
            swapcontext(&tasks[id], &tasks[(id + 1) % 4]);
        } else {
            swapcontext(&tasks[id], &home);
        }
    }
    printf("task %d ends, %.2f\n", id, (double)id / 8);
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    volatile int again = 0;
    ucontext_t here;
    getcontext(&here);
    if (again++ < 3) {
        setcontext(&here);
    }
    for (int id = 0; id < 4; id++) {
        getcontext(&tasks[id]);
        tasks[id].uc_stack.ss_sp = stacks[id], tasks[id].uc_stack.ss_size = sizeof stacks[id];
        tasks[id].uc_link = &home;
        makecontext(&tasks[id], (void (*)(void))work, 2, id, 40);
    }
    for (int i = 0; i < 60; i++) {
        swapcontext(&home, &tasks[i % 4]);
    }
    printf("%ld %d\n", sum, again);
    return 0;
}
#else
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    puts("no ucontext here");
    return 0;
}
#endif
