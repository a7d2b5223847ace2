/* check.h: a guest of the host's tests. It prints what Linux answered; run natively and lifted, the outputs must be
 * equal, so nothing that differs from run to run (addresses, pids, times) is printed. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The expression, its value, and errno when that is -1. */
#define SAY(expression)                                                                                                \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        const long said_ = (long)(expression);                                                                         \
        printf("%s: %s = %ld%s%s\n", __func__, #expression, said_, said_ == -1 ? " " : "",                             \
               said_ == -1 ? strerror(errno) : "");                                                                    \
    } while (0)

void files(void);
void memory(void);
void sockets(void);
void waiting(void);
void handlers(void);
void faults(void);
void process(void);
void pointers(void);
void threads(void);
void costs(void);
int die(const char *how);

/* #DE, which C's own division by zero need not be. */
static inline void divide_by_zero(void) {
    __asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; idiv %%ecx" ::: "eax", "ecx", "edx", "cc");
}

#endif
