/* In: how a guest ended against its will. Out: the death that Linux gives a native program for it. */
#include "engine/engine.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* wasmtime_trap_code_enum: its number is the row. */
static const struct {
    int signal;
    const char *what;
} traps[] = {
    {SIGSEGV, "stack overflow"},
    {SIGSEGV, "memory access out of bounds"},
    {SIGBUS, "misaligned atomic access"},
    {SIGSEGV, "table access out of bounds"},
    {SIGSEGV, "call of a null function"},
    {SIGILL, "indirect call of a function of another type"},
    {SIGFPE, "integer overflow"},
    {SIGFPE, "integer division by zero"},
    {SIGFPE, "a float that no integer can hold"},
    {SIGABRT, "unreachable: abort(), a failed assertion, or undefined behaviour"},
};

static void last_line(int code, const char *what) {
    char line[sizeof((struct rc_error *)0)->message + 64], *at = line;
    const char *const parts[] = {"recompiler: ", rc_code_name(code), ": ", what, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        at = stpcpy(at, parts[i]);
    }
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)(at - line));
    (void)ignored;
}

void trap_end(const wasm_trap_t *trap) {
    uint8_t code;
    int known = wasmtime_trap_code(trap, &code) && code < sizeof traps / sizeof *traps;
    int sig = known ? traps[code].signal : SIGABRT;
    last_line(RC_E_ENGINE_TRAP, known ? traps[code].what : "trap");
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, sig);
    signal(sig, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    kill(getpid(), sig);
    _exit(128 + sig); /* the first process of a pid namespace outlives its own signals */
}

void process_refuse(const struct rc_error *err) {
    last_line(err->code, err->message);
    _exit(125);
}
