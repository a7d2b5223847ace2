/* In: a root directory, limits, a policy. Out: a confined process, the first of its container, that serves (guests.c).
 * Nothing survives it: without its zygote, or without who asked for it, it ends, and with it all its guests. */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPEN_FILES_MIN = 16, REPORT_MS = 10000 };

/* What the new process says to the zygote over the lifeline, once. */
struct report {
    int failed;
    uint32_t in_force;
    struct rc_error err;
};

/* ---- in the zygote */

int container_parse(struct container *c, const struct control_message *m, struct rc_error *err) {
    *c = (struct container){.control = -1, .lifeline = -1, .root = -1};
    if (m->len < sizeof c->is) {
        return rc_fail(err, RC_E_USAGE, 0, "CREATE's data is shorter than struct control_container");
    }
    memcpy(&c->is, m->data, sizeof c->is);
    if (c->is.rule_count > CONTROL_RULES || m->len - sizeof c->is < c->is.rule_count * sizeof *c->rule) {
        return rc_fail(err, RC_E_USAGE, 0, "%u network rules: at most %d", c->is.rule_count, CONTROL_RULES);
    }
    memcpy(c->rule, m->data + sizeof c->is, c->is.rule_count * sizeof *c->rule);
    const char *name = m->data + sizeof c->is + c->is.rule_count * sizeof *c->rule;
    if (c->is.processes < 1 || c->is.processes > CONTROL_PROCESSES || c->is.open_files < OPEN_FILES_MIN ||
        c->is.memory_bytes < 1 || c->is.memory_bytes > UINT64_C(1) << 40 || c->is.reserved) {
        return rc_fail(err, RC_E_USAGE, 0, "limits: processes 1..%d, open_files >= %d, memory_bytes 1..2^40",
                       CONTROL_PROCESSES, OPEN_FILES_MIN);
    }
    if (*name == 0 || strlen(name) >= sizeof c->name) {
        return rc_fail(err, RC_E_USAGE, 0, "a container's name has 1..63 bytes");
    }
    strcpy(c->name, name);
    return 0;
}

/* clone(2) as fork(2), with namespaces. glibc does not learn the new thread id: raise(3) must not be used before the
 * next fork(3). */
static pid_t fork_into(int namespaces) {
    return namespaces ? (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, 0, 0, 0, 0) : fork();
}

static _Noreturn void live(struct container *c, int namespaces, uid_t uid, gid_t gid);

static pid_t wait_report(pid_t pid, int lifeline, uint32_t *in_force, struct rc_error *err) {
    struct report report;
    struct pollfd ready = {.fd = lifeline, .events = POLLIN};
    int came = poll(&ready, 1, REPORT_MS) == 1 && recv(lifeline, &report, sizeof report, 0) == sizeof report;
    if (came && !report.failed) {
        *in_force = report.in_force;
        return pid;
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (came) {
        *err = report.err;
        return -1;
    }
    return rc_fail(err, RC_E_SANDBOX, 0, "the container's first process died or hung while it was confined");
}

pid_t container_start(struct container *c, int root_fd, const struct pollfd *zygote_fds, int zygote_fd_count,
                      int *control, int *lifeline, struct rc_error *err) {
    int ends[4];
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "socketpair: %s", strerror(errno));
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends + 2) < 0 || fchdir(root_fd) < 0) {
        int why = errno;
        close(ends[0]);
        close(ends[1]);
        return rc_fail(err, RC_E_SANDBOX, 0, "the root: %s", strerror(why));
    }
    /* A new mount namespace takes the working directory along; an fd would still speak of the old one. */
    const int *namespaces = container_namespaces(c);
    pid_t pid = fork_into(*namespaces);
    while (pid < 0 && *namespaces) {
        pid = fork_into(*++namespaces);
    }
    if (pid == 0) {
        for (int i = 0; i < zygote_fd_count; i++) {
            close(zygote_fds[i].fd);
        }
        close(ends[0]);
        close(ends[2]);
        c->control = ends[1];
        c->lifeline = ends[3];
        c->root = root_fd;
        live(c, *namespaces, uid, gid);
    }
    close(ends[1]);
    close(ends[3]);
    int ignored = chdir("/");
    (void)ignored;
    if (pid < 0) {
        rc_fail(err, RC_E_SANDBOX, 0, "clone: %s", strerror(errno));
    } else {
        pid = wait_report(pid, ends[2], &c->in_force, err);
    }
    if (pid < 0) {
        close(ends[0]);
        close(ends[2]);
        return -1;
    }
    *control = ends[0];
    *lifeline = ends[2];
    return pid;
}

/* ---- in the container */

/* cgroups(7): "0" is the writer. v1, v2 and what lies between are the same here: who made the groups knows. */
static int enter_groups(struct container *c, struct rc_error *err) {
    for (int i = 0; c->cgroup[i] >= 0; i++) {
        if (write(c->cgroup[i], "0", 1) != 1) {
            return rc_fail(err, RC_E_SANDBOX, 0, "cgroup %d of the record: %s", i, strerror(errno));
        }
        close(c->cgroup[i]);
    }
    return c->cgroup[0] >= 0 ? FORCE_CGROUP : 0;
}

static int confine(struct container *c, int namespaces, uid_t uid, gid_t gid, struct rc_error *err) {
    /* The zygote may be dead already: then the lifeline says so. */
    if (dup2(STDIN_FILENO, STDERR_FILENO) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "PR_SET_PDEATHSIG: %s", strerror(errno));
    }
    int groups = enter_groups(c, err);
    if (groups < 0) {
        return -1;
    }
    c->in_force = (uint32_t)groups;
    return container_confine(c, namespaces, uid, gid, err);
}

static _Noreturn void live(struct container *c, int namespaces, uid_t uid, gid_t gid) {
    struct report report = {0};
    report.failed = confine(c, namespaces, uid, gid, &report.err);
    report.in_force = c->in_force;
    if (send(c->lifeline, &report, sizeof report, MSG_NOSIGNAL) < 0 || report.failed) {
        _exit(1);
    }
    guests_serve(c);
}
