/* In: records on a container's control socket. Out: guests, what their policy refused them, and how they ended. This is
 * the loop of a container's first process. */
#include "engine/engine.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/linux/wasi/denied.h"

static struct control_message message;

/* The guests that were not reaped yet: row i of processes and of told, and GUESTS + i of watched, the reading end of
 * its pipe for refusals (denied.c), or -1. */
enum { CONTROL, LIFELINE, GUESTS };
static pid_t processes[CONTROL_PROCESSES];
static uint16_t told[CONTROL_PROCESSES];
static struct pollfd watched[GUESTS + CONTROL_PROCESSES];
static uint32_t process_count;

static _Noreturn void end(const struct container *c) {
    if (!(c->in_force & FORCE_PID_NS)) {
        for (uint32_t i = 0; i < process_count; i++) {
            kill(processes[i], SIGKILL);
        }
        spare_kill();
        while (waitpid(-1, NULL, 0) > 0) {
        }
    }
    _exit(0); /* a pid namespace ends with its first process */
}

/* argv, env, cwd: as many strings as the record says, the last one ended. */
static int strings_ok(const struct control_message *m) {
    const int64_t argc = m->record.value[1], envc = m->record.value[2];
    int64_t found = 0;
    if (argc < 0 || envc < 0 || argc > CONTROL_DATA || envc > CONTROL_DATA || m->len == 0 || m->data[m->len - 1]) {
        return 0;
    }
    for (size_t i = 0; i < m->len; i++) {
        found += m->data[i] == 0;
    }
    return found == argc + envc + 1;
}

/* In a fork of this process: closes what is not for it. */
static void leave(const struct container *c) {
    for (uint32_t i = 0; i < process_count; i++) {
        close(watched[GUESTS + i].fd);
    }
    close(c->control);
    close(c->lifeline);
}

static int64_t spawn(const struct container *c, struct rc_error *err) {
    if (message.fd_count != 3 || !strings_ok(&message)) {
        rc_fail(err, RC_E_USAGE, 0, "SPAWN needs fds 0, 1, 2 and argc + envc + 1 strings");
        return -EINVAL;
    }
    if (message.record.value[0] < 0 || message.record.value[0] >= c->engine->programs) {
        rc_fail(err, RC_E_USAGE, 0, "the module has no entry %lld", (long long)message.record.value[0]);
        return -ENOENT;
    }
    if (process_count >= c->is.processes) {
        rc_fail(err, RC_E_SANDBOX, 0, "the manifest allows %u processes", c->is.processes);
        return -EAGAIN;
    }
    int denied;
    pid_t pid = spare_or_fork(c, &message, leave, &denied);
    if (pid < 0) {
        int why = errno;
        rc_fail(err, RC_E_SANDBOX, 0, "fork: %s", strerror(why));
        return -why;
    }
    watched[GUESTS + process_count] = (struct pollfd){.fd = denied, .events = POLLIN};
    told[process_count] = 0;
    processes[process_count++] = pid;
    return pid;
}

static int64_t deliver(struct rc_error *err) {
    const int64_t pid = message.record.value[0], sig = message.record.value[1];
    for (uint32_t i = 0; i < process_count; i++) {
        if (processes[i] == pid && sig >= 0 && sig <= 64) {
            return kill(processes[i], (int)sig) < 0 ? -errno : 0; /* not reaped yet, so still this process */
        }
    }
    rc_fail(err, RC_E_USAGE, 0, "no process %lld here, or no signal %lld", (long long)pid, (long long)sig);
    return -ESRCH;
}

/* Passes on what a guest's policy refused. A guest that says more than the engine's code in it would say, or nonsense,
 * is not heard again. */
static void tell_denied(const struct container *c, uint32_t i) {
    struct denied denied;
    struct pollfd *pipe = &watched[GUESTS + i];
    ssize_t got = -1;
    while (pipe->fd >= 0 && told[i] < DENIED_MOST && (got = read(pipe->fd, &denied, sizeof denied)) == sizeof denied) {
        struct control_record notice = {.magic = CONTROL_MAGIC, .type = CONTROL_DENIED};
        notice.value[0] = processes[i];
        notice.value[1] = denied.nr;
        notice.value[2] = denied.error;
        control_send(c->control, &notice, denied.text, denied_clean(&denied), NULL, 0);
        told[i]++;
    }
    if (pipe->fd >= 0 && (got >= 0 || errno != EAGAIN)) { /* ended, broken, or told enough */
        close(pipe->fd);
        pipe->fd = -1;
    }
}

static void tell_exited(const struct container *c, uint32_t i, int status) {
    struct control_record notice = {.magic = CONTROL_MAGIC, .type = CONTROL_EXITED, .value = {processes[i], -1, 0}};
    if (WIFEXITED(status)) {
        notice.value[1] = WEXITSTATUS(status);
    } else {
        notice.value[2] = WTERMSIG(status);
    }
    tell_denied(c, i); /* what was refused comes before the end */
    if (watched[GUESTS + i].fd >= 0) {
        close(watched[GUESTS + i].fd);
    }
    process_count--;
    processes[i] = processes[process_count];
    told[i] = told[process_count];
    watched[GUESTS + i] = watched[GUESTS + process_count];
    control_send(c->control, &notice, NULL, 0, NULL, 0);
}

/* How many have ended. */
static int reap(const struct container *c) {
    int status, ended = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0; ended++) {
        spare_ended(pid);
        for (uint32_t i = 0; i < process_count; i++) {
            if (processes[i] == pid) {
                tell_exited(c, i, status);
                break;
            }
        }
    }
    return ended;
}

static void answer(const struct container *c) {
    struct rc_error err = {0};
    int64_t value = -EINVAL;
    int got = control_receive(c->control, &message, &err);
    if (got == 0 || (got > 0 && message.record.type == CONTROL_STOP)) {
        end(c);
    }
    if (got < 0) {
        message.record.type = 0;
    } else if (message.record.type == CONTROL_SPAWN) {
        value = spawn(c, &err);
    } else if (message.record.type == CONTROL_SIGNAL) {
        value = deliver(&err);
    } else {
        rc_fail(&err, RC_E_USAGE, 0, "a container does not serve records of type %u", message.record.type);
    }
    control_close_fds(&message);
    control_answer(c->control, &message.record, value, &err);
}

static void child_ended(int sig) {
    (void)sig;
}

_Noreturn void guests_serve(const struct container *c) {
    sigset_t child, none;
    struct sigaction action = {.sa_handler = child_ended};
    sigemptyset(&none);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL); /* taken in ppoll only: an end between reap and ppoll is not missed */
    sigaction(SIGCHLD, &action, NULL);
    watched[CONTROL] = (struct pollfd){.fd = c->control, .events = POLLIN};
    watched[LIFELINE] = (struct pollfd){.fd = c->lifeline, .events = POLLIN};
    for (;;) {
        const int ended = reap(c);
        int ready = ppoll(watched, GUESTS + process_count, spare_after(ended), &none);
        if (ready == 0) {
            spare_make(c, leave);
        }
        if (ready <= 0) {
            continue;
        }
        if (watched[LIFELINE].revents) {
            end(c);
        }
        for (uint32_t i = 0; i < process_count; i++) {
            if (watched[GUESTS + i].revents) {
                tell_denied(c, i);
            }
        }
        if (watched[CONTROL].revents) {
            answer(c);
        }
    }
}
