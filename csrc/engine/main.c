/* The engine. In: a connected SOCK_SEQPACKET socket, whose records (control.h) say the rest. Out: a clean process, then
 * the zygote, which loads one bundle, locks itself down and forks.
 *
 *   rc-engine FD
 *   rc-engine --syscalls    the rows of linux/wasi/table.c, for docs/syscalls.md */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/linux/wasi/linux.h"
#include "engine/wasmtime/fail.h"
#include "sandbox/sandbox.h"

/* The stack of a main thread bounds what a guest's may be (aot.py, max_wasm_stack). */
enum { STACK = 8 << 20 };
/* A container has two fds at 1000, and one for each guest; one that has no more refuses a guest. */
enum { FILES_LEAST = 1024, FILES = 8192 };

static int control_of(const char *text, struct rc_error *err) {
    char *end;
    long fd = strtol(text, &end, 10);
    int type = 0;
    socklen_t size = sizeof type;
    if (*end || fd < 3 || fd > 1 << 20 || getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        type != SOCK_SEQPACKET) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0, "%.20s is not the number of an inherited SOCK_SEQPACKET socket", text);
    }
    return (int)fd;
}

/* Whoever starts this process may have ignored signals (nohup, a shell's &) or blocked them; a guest dies of them all
 * the same. */
static void plain_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++) {
        signal(sig, SIG_DFL);
    }
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is the errno pipe, as in the other WASI hosts */
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int sane_process(int control, struct rc_error *err) {
    struct rlimit stack;
    if (rc_sandbox_standard_fds(err) < 0 || rc_sandbox_close_fds(control, err) < 0 ||
        rc_sandbox_no_privileges(err) < 0) {
        return -1;
    }
    if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur < STACK) {
        stack.rlim_cur = STACK;
        if (setrlimit(RLIMIT_STACK, &stack) < 0) {
            return rc_fail(err, RC_E_SANDBOX, 0, "a stack of 8 MiB: %s", strerror(errno));
        }
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_max < FILES_LEAST) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0, "an engine needs %d open files (RLIMIT_NOFILE)", FILES_LEAST);
    }
    if (files.rlim_cur < FILES) {
        files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    /* What containers inherit; 2 stays, for what the engine's library may have to say. */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0, "/dev/null: %s", strerror(errno));
    }
    close(null);
    plain_signals();
    return 0;
}

int main(int argc, char **argv) {
    struct rc_error err = {.code = RC_E_USAGE, .message = "usage: rc-engine CONTROL-FD (docs/engine.md)"};
    if (argc == 2 && strcmp(argv[1], "--syscalls") == 0) {
        return sys_document();
    }
    int control = argc == 2 ? control_of(argv[1], &err) : -1;
    if (control < 0 || sane_process(control, &err) < 0) {
        engine_refuse(&err);
    }
    zygote_run(control);
}
