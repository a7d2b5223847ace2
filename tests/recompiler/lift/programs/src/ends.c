// How a process ends: by main's value, exit, _exit, abort, a failed assertion, signals; what atexit and stdio do then.
#undef NDEBUG
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void first(void) {
    puts("first registered, last run");
}
static void second(void) {
    puts("second"), fflush(stdout), first == NULL ? _exit(9) : (void)0;
}
static void on_quick(void) {
    puts("quick"), fflush(stdout);
}
int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "return";
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    atexit(first), atexit(second), at_quick_exit(on_quick);
    printf("%s without a newline", how);
    volatile int zero = 0;
    if (!strcmp(how, "exit")) {
        exit(300);
    }
    if (!strcmp(how, "_exit")) {
        fflush(stdout), _exit(-1);
    }
    if (!strcmp(how, "lost")) {
        _exit(4);
    }
    if (!strcmp(how, "quick")) {
        quick_exit(6);
    }
    if (!strcmp(how, "abort")) {
        abort();
    }
    if (!strcmp(how, "assert")) {
        assert(zero == 1 && "said by assert");
    }
    if (!strcmp(how, "term")) {
        raise(SIGTERM);
    }
    if (!strcmp(how, "kill")) {
        kill(getpid(), SIGKILL);
    }
    if (!strcmp(how, "null")) {
        *(volatile int *)8 = 1;
    }
    if (!strcmp(how, "zero")) {
        return 5 / zero;
    }
    if (!strcmp(how, "trap")) {
        __builtin_trap();
    }
    if (!strcmp(how, "free")) {
        signal(SIGABRT, SIG_IGN), abort();
    }
    if (!strcmp(how, "usr1")) {
        raise(SIGUSR1);
    }
    if (!strcmp(how, "chld")) {
        raise(SIGCHLD), raise(SIGURG), raise(SIGWINCH);
    }
    return 7;
}
