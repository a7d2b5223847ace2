/* In: a spawn record, in a process forked for it. Out: the guest's effects and the status it ends with. */
#include "engine/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/linux/wasi/linux.h"
#include "engine/wasmtime/fail.h"

/* data is argc + envc + 1 strings, each with its NUL: argv, env, cwd. The container has counted them. */
static char **strings(const struct control_message *m) {
    size_t count = (size_t)(m->record.value[1] + m->record.value[2]) + 1, at = 0;
    char **list = malloc((count + 2) * sizeof *list);
    for (size_t i = 0; list && i < count; i++) {
        list[i] = (char *)m->data + at;
        at += strlen(list[i]) + 1;
    }
    return list;
}

static int take_stdio(const struct control_message *m, struct rc_error *err) {
    for (int i = 0; i < 3; i++) {
        if (m->fd[i] == i) {
            return rc_fail(err, RC_E_PROCESS_FDS, 0, "fd %d was free in a container", i);
        }
        if (dup2(m->fd[i], i) < 0) {
            return rc_fail(err, RC_E_PROCESS_FDS, 0, "fd %d: %s", i, strerror(errno));
        }
        close(m->fd[i]);
    }
    return 0;
}

static int own_terminal(const struct control_message *m, struct rc_error *err) {
    if ((m->record.value[3] & SPAWN_TTY) && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0, "fd 0 cannot be the controlling terminal: %s", strerror(errno));
    }
    return 0;
}

/* What a container has changed of main.c's signals. */
static void plain_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int limit(const struct container *c, const char *cwd, struct rc_error *err) {
    const rlim_t most = c->is.open_files < SYS_FDS ? c->is.open_files : SYS_FDS;
    struct rlimit files = {most, most};
    if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "open_files %u: %s", c->is.open_files, strerror(errno));
    }
    if ((c->in_force & (FORCE_ROOT | FORCE_CHROOT)) && chdir(cwd) < 0) {
        return rc_fail(err, RC_E_OPEN, 0, "%.100s: %s", cwd, strerror(errno));
    }
    return filter_install(LIFE_GUEST, c->is.syscalls, err);
}

/* What a module may have: one instance; as many memories and tables as it has programs. */
enum { INSTANCES = 1, ANY = -1 };

static void run(const struct container *c, const struct control_message *m, struct rc_error *err) {
    wasmtime_instance_t instance;
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error = wasmtime_instance_pre_instantiate(c->engine->prepared, guest.context, &instance, &trap);
    if (error) {
        engine_fail(err, RC_E_ENGINE_MEMORY, "cannot instantiate", error);
        return;
    }
    if (!trap && kind_call(c->engine->kind, &instance, m->record.value[0], &trap, err) < 0) {
        return;
    }
    if (trap) {
        trap_end(trap);
    }
    _exit(guest.wasi.exit_code & 0xff);
}

int process_prepare(const struct container *c, struct rc_error *err) {
    plain_signals();
    if (setsid() < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "setsid: %s", strerror(errno));
    }
    /* When the container's first process dies by SIGKILL without a pid namespace, so do its guests. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "PR_SET_PDEATHSIG: %s", strerror(errno));
    }
    wasmtime_store_t *store = wasmtime_store_new(c->engine->wasm, NULL, NULL);
    guest.context = wasmtime_store_context(store);
    wasmtime_store_limiter(store, (int64_t)c->is.memory_bytes, ANY, INSTANCES, ANY, ANY);
    return 0;
}

void process_run(const struct container *c, const struct control_message *m) {
    struct rc_error err = {0};
    char **list = strings(m);
    guest.wasi = (struct rc_wasi){
        .sys = sys_host(c),
        .argc = (int)m->record.value[1],
        .argv = list,
        .envc = (int)m->record.value[2],
        .envp = list + m->record.value[1],
    };
    if (!list) {
        rc_fail(&err, RC_E_NO_MEMORY, 0, "no memory for the arguments");
        engine_refuse(&err);
    }
    if (take_stdio(m, &err) == 0 && own_terminal(m, &err) == 0 && rc_wasi_init(&guest.wasi, &err) == 0 &&
        limit(c, list[guest.wasi.argc + guest.wasi.envc], &err) == 0) {
        run(c, m, &err);
    }
    engine_refuse(&err);
}
