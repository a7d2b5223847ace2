/* In: why a stub ends. Out: the line, and the status that a parent waits for. Everything here is allowed by
 * rc_sandbox_lock and safe in a signal handler. */
#include "end.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fence.h"

static struct rc_wire *fault_wire;
static pid_t self; /* asked before the sandbox forbids to ask */
static _Alignas(16) char fault_stack[65536];

static void last_line(const struct rc_error *why) {
    char line[sizeof why->message + 64], *at = line;
    const char *const parts[] = {"recompiler: ", rc_code_name(why->code), ": ", why->message, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        at = stpcpy(at, parts[i]);
    }
    signal(SIGPIPE, SIG_IGN); /* the status is told although nobody reads the line */
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)(at - line));
    (void)ignored;
}

void end_refused(const struct rc_error *why) {
    last_line(why);
    _exit(END_REFUSED);
}

void end_by_signal(int sig) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, sig);
    signal(sig, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    kill(self, sig);
}

void end_killed(struct rc_wire *wire, int sig, const struct rc_error *why) {
    last_line(why);
    if (wire != NULL) {
        rc_wire_dying(wire, sig);
    }
    end_by_signal(sig);
    _exit(128 + sig); /* init of a pid namespace does not die by its own signals */
}

static void fault(int sig, siginfo_t *info, void *context) {
    struct rc_error why = {.code = RC_E_ENGINE_TRAP, .message = "wasm3 accessed memory that is not the guest's"};
    (void)sig;
    (void)context;
    if (rc_fence_is_guard(info->si_addr)) {
        strcpy(why.message, "stack overflow, stopped by the guard page");
    }
    end_killed(fault_wire, SIGABRT, &why);
}

void end_on_faults(struct rc_wire *wire) {
    stack_t stack = {.ss_sp = fault_stack, .ss_size = sizeof fault_stack};
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
    sigset_t faults;
    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    sigaddset(&faults, SIGBUS);
    sigprocmask(SIG_UNBLOCK, &faults, NULL); /* a parent may have left them blocked: then no handler would run */
    self = getpid();
    fault_wire = wire;
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}
