/* In: a control socket. Out: its records, checked for their frame; what they mean is zygote.c's and container.c's. */
#include "engine/control/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union fd_space {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
};

static void take_fds(struct msghdr *message, struct control_message *m) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            m->fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(m->fd, CMSG_DATA(c), (size_t)m->fd_count * sizeof(int));
        }
    }
}

void control_close_fds(struct control_message *m) {
    for (int i = 0; i < m->fd_count; i++) {
        close(m->fd[i]);
    }
    m->fd_count = 0;
}

int control_receive(int socket, struct control_message *m, struct rc_error *err) {
    union fd_space space;
    struct iovec part[] = {{&m->record, sizeof m->record}, {m->data, CONTROL_DATA}};
    struct msghdr message = {
        .msg_iov = part, .msg_iovlen = 2, .msg_control = space.bytes, .msg_controllen = sizeof space.bytes};
    ssize_t got;
    m->fd_count = 0;
    do {
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        return 0;
    }
    take_fds(&message, m);
    if ((size_t)got < sizeof m->record || (message.msg_flags & MSG_TRUNC) || m->record.magic != CONTROL_MAGIC) {
        control_close_fds(m);
        return rc_fail(err, RC_E_RPC_FRAME, 0, "a control message of %zd bytes is not a record", got);
    }
    if (message.msg_flags & MSG_CTRUNC) {
        control_close_fds(m);
        return rc_fail(err, RC_E_RPC_FDS, 0, "more than %d fds on a record, or no room for them", CONTROL_FDS);
    }
    m->len = (size_t)got - sizeof m->record;
    m->data[m->len] = 0;
    return 1;
}

int control_send(int socket, const struct control_record *record, const void *data, size_t len, const int *fd,
                 int fd_count) {
    union fd_space space;
    struct iovec part[] = {{(void *)record, sizeof *record}, {(void *)data, len}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = len ? 2 : 1};
    if (fd_count > 0) {
        memset(&space, 0, sizeof space);
        message.msg_control = space.bytes;
        message.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        c->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fd, (size_t)fd_count * sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

int control_answer(int socket, const struct control_record *request, int64_t value, const struct rc_error *err) {
    char text[sizeof err->message + 64];
    struct control_record reply = {.magic = CONTROL_MAGIC, .id = request->id, .value = {value}};
    reply.type = (uint16_t)(request->type | CONTROL_REPLY);
    int len = value < 0 && err ? snprintf(text, sizeof text, "%s: %s", rc_code_name(err->code), err->message) : 0;
    return control_send(socket, &reply, text, (size_t)len, NULL, 0);
}
