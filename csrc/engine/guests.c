/* In: records on a container's control socket. Out: guests, what their policy refused them, and how they ended. This is
 * the loop of a container's first process.
 *
 * A container that has started a guest keeps a spare: a process forked ahead, which has done all of a guest's start
 * that needs no record and waits for one. It halves the time to the first output. */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct control_message message;

/* The guests that were not reaped yet: row i of processes and of told, and GUESTS + i of watched, the reading end of
 * its pipe for refusals (denied.c), or -1. */
enum { CONTROL, LIFELINE, GUESTS };
static pid_t processes[CONTROL_PROCESSES];
static uint16_t told[CONTROL_PROCESSES];
static struct pollfd watched[GUESTS + CONTROL_PROCESSES];
static uint32_t process_count;

#define NAME "rc-engine"
static struct {
    pid_t pid;       /* 0: there is none */
    int job, denied; /* where its record goes, and the reading end of its pipe */
    enum { UNWANTED, WHEN_QUIET, NOW } wanted;
} spare;
enum { SPARE_MS = 2 }; /* of quiet before one is made: who starts many at once has the CPU for them */

static _Noreturn void end(const struct container *c) {
    if (!(c->in_force & FORCE_PID_NS)) {
        for (uint32_t i = 0; i < process_count; i++) {
            kill(processes[i], SIGKILL);
        }
        if (spare.pid) {
            kill(spare.pid, SIGKILL);
        }
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

/* In a guest: of its container it keeps the writing end of one pipe, at DENIED_FD. */
static int leave_container(const struct container *c, int denied) {
    for (uint32_t i = 0; i < process_count; i++) {
        close(watched[GUESTS + i].fd);
    }
    close(c->control);
    close(c->lifeline);
    return dup2(denied, DENIED_FD) < 0 || close(denied) < 0 ? -1 : 0;
}

/* In a spare: its record, and whom it is for. */
static void wait_job(int job) {
    struct rc_error err;
    if (control_receive(job, &message, &err) <= 0) {
        _exit(125); /* its container is gone */
    }
    prctl(PR_SET_NAME, NAME);
    close(job);
}

/* The new process's pid, and the reading end of its pipe; or -1 with errno. job: where it waits for its record, or -1
 * when that is in `message`; the other end of it is closed there. */
static pid_t fork_guest(const struct container *c, int *denied, int job, int other) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        return -1;
    }
    pid_t pid = fork();
    int why = errno;
    if (pid == 0) {
        struct rc_error err = {0};
        close(ends[0]);
        if (leave_container(c, ends[1]) < 0) {
            _exit(125);
        }
        if (job >= 0) {
            close(other);
            message.fd_count = 0;
        }
        if (process_prepare(c, &err) < 0) {
            process_refuse(&err);
        }
        if (job >= 0) {
            wait_job(job);
        }
        process_run(c, &message);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
    }
    errno = why;
    *denied = ends[0];
    return pid;
}

static void make_spare(const struct container *c) {
    int pair[2];
    spare.wanted = UNWANTED; /* once: one that cannot be made is not tried again before the next guest */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return;
    }
    prctl(PR_SET_NAME, "spare"); /* for ps(1): a spare is born with its name */
    pid_t pid = fork_guest(c, &spare.denied, pair[1], pair[0]);
    prctl(PR_SET_NAME, NAME);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return;
    }
    spare.pid = pid;
    spare.job = pair[0];
}

/* The spare is no more: it ended, or it is a guest. */
static void forget_spare(void) {
    close(spare.job);
    spare.pid = 0;
}

/* Makes the spare the guest that the record asks for; its pid, or 0. */
static pid_t take_spare(int *denied) {
    pid_t pid = spare.pid;
    if (!pid) {
        return 0;
    }
    if (control_send(spare.job, &message.record, message.data, message.len, message.fd, 3) < 0) {
        kill(pid, SIGKILL);
        close(spare.denied);
        pid = 0;
    }
    *denied = spare.denied;
    forget_spare();
    return pid;
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
    pid_t pid = take_spare(&denied);
    if (pid == 0) {
        pid = fork_guest(c, &denied, -1, -1);
    }
    spare.wanted = WHEN_QUIET;
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
        if (pid == spare.pid) {
            close(spare.denied);
            forget_spare();
        }
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
        if (reap(c) && spare.wanted) {
            spare.wanted = NOW; /* when nothing is asked for */
        }
        const struct timespec quiet = {.tv_nsec = spare.wanted == NOW ? 0 : SPARE_MS * 1000000};
        const int waits = spare.wanted && !spare.pid;
        int ready = ppoll(watched, GUESTS + process_count, waits ? &quiet : NULL, &none);
        if (ready == 0) {
            make_spare(c);
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
