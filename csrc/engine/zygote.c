/* In: a control socket. Out: containers forked from one loaded module. This process verifies and loads once, gives up
 * every way to new code, and then only forks; it never runs a guest. */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTAINERS = 512 };

static struct engine engine;
static int ready; /* loaded and locked down */
static struct control_message message;
static struct container container; /* the one that is being made: its fork keeps it */
/* [0] is the control socket, then one lifeline per container; the poll set, and what a new container must close. */
static struct pollfd watched[1 + CONTAINERS];
static pid_t pid_of[1 + CONTAINERS];
static int watched_count = 1;

static int load(struct rc_error *err) {
    const struct control_message *m = &message;
    if (m->fd_count != 1 || m->len < 32 || m->record.value[0] < 0) {
        return rc_fail(err, RC_E_USAGE, 0, "LOAD needs a size, a digest, settings and one fd");
    }
    if (engine_load(&engine, m->fd[0], (uint64_t)m->record.value[0], (const uint8_t *)m->data, m->data + 32, err) < 0) {
        return -1;
    }
    return filter_install(LIFE_ZYGOTE, NULL, err);
}

static void answer_load(int control) {
    struct rc_error err = {0};
    int result = ready ? rc_fail(&err, RC_E_USAGE, 0, "a zygote loads once") : load(&err);
    control_answer(control, &message.record, result, &err);
    if (result < 0 && !ready) {
        _exit(1); /* a library in an unknown state: the next zygote is a new process */
    }
    ready = 1;
}

static int create(int *container_control, struct rc_error *err) {
    if (!ready || message.fd_count < 1) {
        return rc_fail(err, RC_E_USAGE, 0, "CREATE needs a loaded module and the fd of a root directory");
    }
    if (watched_count > CONTAINERS) {
        return rc_fail(err, RC_E_SANDBOX, 0, "this zygote has %d containers", CONTAINERS);
    }
    if (container_parse(&container, &message, err) < 0) {
        return -1;
    }
    container.engine = &engine;
    for (int i = 0; i < CONTROL_FDS; i++) {
        container.cgroup[i] = i + 1 < message.fd_count ? message.fd[i + 1] : -1;
    }
    struct pollfd *slot = &watched[watched_count];
    pid_t pid = container_start(&container, message.fd[0], watched, watched_count, container_control, &slot->fd, err);
    if (pid < 0) {
        return -1;
    }
    slot->events = POLLIN;
    pid_of[watched_count++] = pid;
    return pid;
}

static void answer_create(int control) {
    struct rc_error err = {0};
    int container_control = -1, pid = create(&container_control, &err);
    if (pid < 0) {
        control_answer(control, &message.record, -EPERM, &err);
        return;
    }
    struct control_record reply = {.magic = CONTROL_MAGIC, .type = CONTROL_CREATE | CONTROL_REPLY};
    reply.id = message.record.id;
    reply.value[0] = pid;
    reply.value[1] = container.in_force;
    control_send(control, &reply, NULL, 0, &container_control, 1);
    close(container_control);
}

/* A container's end of its lifeline closed: its first process is dead or dying. */
static void answer_stopped(int control, int slot) {
    int status = 0;
    struct control_record notice = {.magic = CONTROL_MAGIC, .type = CONTROL_STOPPED};
    kill(pid_of[slot], SIGKILL);
    while (waitpid(pid_of[slot], &status, 0) < 0 && errno == EINTR) {
    }
    notice.value[0] = pid_of[slot];
    notice.value[1] = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    notice.value[2] = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    close(watched[slot].fd);
    watched[slot] = watched[--watched_count];
    pid_of[slot] = pid_of[watched_count];
    control_send(control, &notice, NULL, 0, NULL, 0);
}

static void answer(int control) {
    struct rc_error err = {0};
    int got = control_receive(control, &message, &err);
    if (got < 0) {
        message.record.type = 0;
        control_answer(control, &message.record, -EPROTO, &err);
        return;
    }
    if (got == 0 || message.record.type == CONTROL_STOP) {
        _exit(0); /* every container sees its lifeline end */
    }
    switch (message.record.type) {
    case CONTROL_LOAD:
        answer_load(control);
        break;
    case CONTROL_CREATE:
        answer_create(control);
        break;
    default:
        rc_fail(&err, RC_E_USAGE, 0, "a zygote does not serve records of type %u", message.record.type);
        control_answer(control, &message.record, -EINVAL, &err);
    }
    control_close_fds(&message);
}

void zygote_run(int control) {
    watched[0] = (struct pollfd){.fd = control, .events = POLLIN};
    for (;;) {
        if (poll(watched, (nfds_t)watched_count, -1) < 0) {
            continue; /* EINTR: the process was stopped and goes on */
        }
        for (int i = watched_count - 1; i > 0; i--) {
            if (watched[i].revents) {
                answer_stopped(control, i);
            }
        }
        if (watched[0].revents) {
            answer(control);
        }
    }
}
