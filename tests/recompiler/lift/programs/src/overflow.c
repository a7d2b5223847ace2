// Recursion without end: the stack's end is a SIGSEGV, seen by a handler on its own stack; then without one.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int sink;
__attribute__((noinline)) static int endless(int n) {
    volatile char room[512];
    room[n & 511] = (char)n;
    int result = endless(n + 1);
    sink = room[n & 511];
    return result + 1;
}
static void caught(int number, siginfo_t *info, void *context) {
    (void)info, (void)context;
    static const char said[] = "the stack has an end\n";
    (void)!write(1, said, sizeof said - 1);
    signal(number, SIG_DFL);
}
int main(int argc, char **argv) {
    (void)argv;
    static char room[65536];
    stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = caught;
    sigaction(SIGSEGV, &action, NULL);
    return endless(argc);
}
