/* In: a container, and a guest's record when there is one. Out: a process for it.
 *
 * A container that has started a guest keeps a spare: a process forked ahead, which has done all of a guest's start
 * that needs no record and waits for one. It becomes the next guest: a quarter of a start is done by then. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/linux/wasi/denied.h"
#include "engine/wasmtime/fail.h"

#define NAME "rc-engine"
enum { QUIET_MS = 2 }; /* before one is made: who starts many at once has the CPU for them */

static struct {
    pid_t pid;       /* 0: there is none */
    int job, denied; /* where its record goes, and the reading end of its pipe */
    enum { UNWANTED, WHEN_QUIET, NOW } wanted;
} spare;

/* In a spare: its record. */
static void wait_job(int job, struct control_message *record) {
    struct rc_error err;
    if (control_receive(job, record, &err) <= 0) {
        _exit(125); /* its container is gone */
    }
    prctl(PR_SET_NAME, NAME);
    close(job);
}

/* In the new process, which keeps of its container one end of two pairs: job[1], and denied, at DENIED_FD.
 * parent: the container's first process. */
static _Noreturn void begin(const struct container *c, pid_t parent, const struct control_message *record,
                            spare_leave *leave, int denied, int job[2]) {
    static struct control_message own;
    struct rc_error err = {0};
    leave(c);
    if (dup2(denied, DENIED_FD) < 0 || close(denied) < 0) {
        _exit(125);
    }
    if (!record) {
        close(job[0]);
    }
    if (process_prepare(c, &err) < 0) {
        engine_refuse(&err);
    }
    if (getppid() != parent) {
        _exit(125); /* it died before process_prepare asked for a signal at its death */
    }
    if (!record) {
        wait_job(job[1], &own);
    }
    process_run(c, record ? record : &own);
}

/* The new process's pid, and the reading end of its pipe; or -1 with errno. record NULL: it comes through job. */
static pid_t fork_guest(const struct container *c, const struct control_message *record, spare_leave *leave,
                        int *denied, int job[2]) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        return -1;
    }
    const pid_t parent = getpid();
    pid_t pid = fork();
    int why = errno;
    if (pid == 0) {
        close(ends[0]);
        begin(c, parent, record, leave, ends[1], job);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
    }
    errno = why;
    *denied = ends[0];
    return pid;
}

void spare_make(const struct container *c, spare_leave *leave) {
    int job[2];
    spare.wanted = UNWANTED; /* once: one that cannot be made is not tried again before the next guest */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, job) < 0) {
        return;
    }
    prctl(PR_SET_NAME, "spare"); /* for ps(1): a spare is born with its name */
    pid_t pid = fork_guest(c, NULL, leave, &spare.denied, job);
    prctl(PR_SET_NAME, NAME);
    close(job[1]);
    if (pid < 0) {
        close(job[0]);
        return;
    }
    spare.pid = pid;
    spare.job = job[0];
}

/* Makes the spare the guest that the record asks for; its pid, or 0. */
static pid_t take(const struct control_message *record, int *denied) {
    pid_t pid = spare.pid;
    if (!pid) {
        return 0;
    }
    if (control_send(spare.job, &record->record, record->data, record->len, record->fd, 3) < 0) {
        kill(pid, SIGKILL);
        close(spare.denied);
        pid = 0;
    }
    *denied = spare.denied;
    close(spare.job);
    spare.pid = 0;
    return pid;
}

pid_t spare_or_fork(const struct container *c, const struct control_message *record, spare_leave *leave, int *denied) {
    pid_t pid = take(record, denied);
    spare.wanted = WHEN_QUIET;
    return pid ? pid : fork_guest(c, record, leave, denied, NULL);
}

const struct timespec *spare_after(int guests_ended) {
    static struct timespec quiet;
    if (guests_ended && spare.wanted) {
        spare.wanted = NOW; /* when nothing is asked for */
    }
    quiet.tv_nsec = spare.wanted == NOW ? 0 : QUIET_MS * 1000000;
    return spare.wanted && !spare.pid ? &quiet : NULL;
}

void spare_ended(pid_t pid) {
    if (pid == spare.pid) {
        close(spare.denied);
        close(spare.job);
        spare.pid = 0;
    }
}

void spare_kill(void) {
    if (spare.pid) {
        kill(spare.pid, SIGKILL);
    }
}
