/* In: how a guest ended against its will. Out: the death that Linux gives a native program for it. */
#include "engine/engine.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "engine/wasmtime/fail.h"

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

void trap_end(const wasm_trap_t *trap) {
    uint8_t code;
    int known = wasmtime_trap_code(trap, &code) && code < sizeof traps / sizeof *traps;
    int sig = known ? traps[code].signal : SIGABRT;
    engine_last_line(RC_E_ENGINE_TRAP, known ? traps[code].what : "trap");
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, sig);
    signal(sig, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    kill(getpid(), sig);
    _exit(128 + sig); /* the first process of a pid namespace outlives its own signals */
}
