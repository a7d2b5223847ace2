/* In: syscalls of a guest. Out: requests on the socket, and the vkernel's answers; the first break of the protocol ends
 * the connection. One request is in flight at a time. */
#include "wire/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/base64.h"
#include "wire/frame.h"
#include "wire/wire_json.h"

enum { IN_SIZE = RC_FRAME_HEADER + RC_FRAME_BODY_MAX, OUT_SIZE = RC_LINE_MAX };
_Static_assert((int)IN_SIZE >= (int)RC_LINE_MAX, "one buffer for either encoding");

/* ---- bytes */

static int closed(struct rc_error *err) {
    return rc_fail(err, RC_E_RPC_CLOSED, 0, "the vkernel closed the connection");
}

static int failed(struct rc_error *err) {
    if (errno == EPIPE || errno == ECONNRESET) {
        return closed(err);
    }
    if (errno == EAGAIN) {
        return rc_fail(err, RC_E_SOCK_TIMEOUT, 0, "the vkernel does not answer");
    }
    return rc_fail(err, RC_E_RPC_CLOSED, 0, "the connection to the vkernel failed: %s", strerror(errno));
}

/* Sends all of part[2]; control rides on the first byte. */
static int send_all(int fd, struct iovec part[2], void *control, size_t control_len, struct rc_error *err) {
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2, .msg_control = control, .msg_controllen = control_len};
    while (part[0].iov_len + part[1].iov_len > 0) {
        ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return failed(err);
        }
        message.msg_control = NULL;
        message.msg_controllen = 0;
        for (int i = 0; i < 2; i++) {
            size_t taken = (size_t)n < part[i].iov_len ? (size_t)n : part[i].iov_len;
            part[i].iov_base = (char *)part[i].iov_base + taken;
            part[i].iov_len -= taken;
            n -= (ssize_t)taken;
        }
    }
    return 0;
}

/* Receives at least one byte more. */
static int receive(struct rc_wire *w, struct rc_error *err) {
    if (w->in_at > 0) {
        memmove(w->in, w->in + w->in_at, w->in_end - w->in_at);
        w->in_end -= w->in_at;
        w->in_at = 0;
    }
    struct iovec space = {w->in + w->in_end, IN_SIZE - w->in_end};
    /* No room for control data: the kernel drops fds that nobody asked for, and says so. */
    struct msghdr message = {.msg_iov = &space, .msg_iovlen = 1};
    ssize_t n;
    do {
        n = recvmsg(w->fd, &message, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return failed(err);
    }
    if (message.msg_flags & MSG_CTRUNC) {
        return rc_fail(err, RC_E_RPC_FDS, 0, "the vkernel sent an fd that was not asked for");
    }
    if (n == 0) {
        return closed(err);
    }
    w->in_end += (size_t)n;
    return 0;
}

/* Waits for `size` bytes and gives their place; they stay valid until the next read. */
static int take(struct rc_wire *w, size_t size, uint8_t **out, struct rc_error *err) {
    while (w->in_end - w->in_at < size) {
        if (receive(w, err) < 0) {
            return -1;
        }
    }
    *out = w->in + w->in_at;
    w->in_at += size;
    return 0;
}

/* ---- messages */

static int take_line(struct rc_wire *w, struct rc_line *out, struct rc_error *err) {
    size_t seen = 0; /* bytes known to hold no LF */
    for (;;) {
        size_t have = w->in_end - w->in_at;
        uint8_t *start = w->in + w->in_at, *lf = memchr(start + seen, '\n', have - seen);
        if (lf == NULL ? have >= RC_LINE_MAX : lf - start >= RC_LINE_MAX) {
            return rc_fail(err, RC_E_RPC_JSON, 0, "the vkernel's line is over %d bytes", RC_LINE_MAX);
        }
        if (lf != NULL) {
            w->in_at += (size_t)(lf - start) + 1;
            return rc_line_parse(start, (size_t)(lf - start), out, err);
        }
        seen = have;
        if (receive(w, err) < 0) {
            return -1;
        }
    }
}

/* A frame as the line it stands for: a MESSAGE holds one, a REPLIES record has the same fields. */
static int take_frame(struct rc_wire *w, struct rc_line *out, struct rc_error *err) {
    struct rc_frame frame;
    struct rc_frame_reply replies[RC_FRAME_COUNT_MAX];
    uint8_t *at;
    if (take(w, RC_FRAME_HEADER, &at, err) < 0 || rc_frame_header(at, &frame, err) < 0 ||
        take(w, frame.length, &at, err) < 0) {
        return -1;
    }
    if (frame.type == RC_FRAME_MESSAGE) {
        return rc_line_parse(at, frame.length, out, err);
    }
    if (frame.type != RC_FRAME_REPLIES || frame.count != 1) {
        return rc_fail(err, RC_E_RPC_REPLY, 0, "the vkernel answers what was not asked");
    }
    if (rc_frame_replies(&frame, at, replies, err) < 0) {
        return -1;
    }
    *out = (struct rc_line){
        .id = (int64_t)frame.id,
        .ret = replies[0].ret,
        .data = (uint8_t *)at + (replies[0].data - at),
        .data_len = replies[0].len,
        .has_id = 1,
        .has_ret = 1,
    };
    return 0;
}

/* Waits for the reply to `id`; signals are taken on the way. */
static int take_reply(struct rc_wire *w, uint64_t id, struct rc_line *out, struct rc_error *err) {
    for (;;) {
        if ((w->binary ? take_frame(w, out, err) : take_line(w, out, err)) < 0) {
            return -1;
        }
        if (strcmp(out->type, "signal") == 0) {
            if (!out->has_sig || out->sig < 1 || out->sig >= NSIG) {
                return rc_fail(err, RC_E_RPC_REPLY, 0, "the vkernel sent no signal's number");
            }
            w->signalled(w, (int)out->sig);
            continue;
        }
        if (out->type[0] != '\0' || !out->has_id || !out->has_ret || (uint64_t)out->id != id) {
            return rc_fail(err, RC_E_RPC_REPLY, 0, "the vkernel answers what was not asked");
        }
        return 0;
    }
}

/* ---- syscalls */

static int send_call(struct rc_wire *w, const struct rc_call *call, uint64_t id, struct rc_error *err) {
    struct iovec part[2] = {{w->out, 0}, {(void *)(uintptr_t)call->data, w->binary ? call->data_len : 0}};
    int64_t n = w->binary ? rc_frame_call(call, id, w->out) : rc_line_call(call, id, (char *)w->out, OUT_SIZE);
    if (n < 0) {
        return (int)n;
    }
    part[0].iov_len = (size_t)n;
    return send_all(w->fd, part, NULL, 0, err) < 0 ? 1 : 0;
}

static int64_t call(struct rc_sys *self, struct rc_call *request) {
    struct rc_wire *w = (struct rc_wire *)self;
    struct rc_call shortened = *request;
    struct rc_error err;
    struct rc_line reply;
    size_t most = w->binary ? RC_SYS_DATA_MAX : RC_LINE_DATA_MAX;
    request->reply_len = 0;
    if (request->data_len > most) {
        if (request->nr != RC_SYS_write && request->nr != RC_SYS_pwrite64 && request->nr != RC_SYS_sendto) {
            return -E2BIG;
        }
        shortened.data_len = most; /* a short write */
    }
    int sent = send_call(w, &shortened, ++w->last_id, &err);
    if (sent < 0) {
        w->last_id--; /* this request has no form on the wire: nothing was sent */
        return sent;
    }
    if (sent > 0 || take_reply(w, w->last_id, &reply, &err) < 0) {
        w->lost(w, &err);
        abort();
    }
    if (reply.data_len > request->reply_cap) {
        rc_fail(&err, RC_E_RPC_REPLY, 0, "the vkernel sent more data than was asked for");
        w->lost(w, &err);
        abort();
    }
    if (reply.data_len > 0) {
        memcpy(request->reply, reply.data, reply.data_len);
    }
    request->reply_len = reply.data_len;
    return reply.ret;
}

int rc_wire_open(struct rc_wire *wire, int fd, int binary, struct rc_error *err) {
    *wire =
        (struct rc_wire){.sys.call = call, .fd = fd, .binary = binary, .in = malloc(IN_SIZE), .out = malloc(OUT_SIZE)};
    if (wire->in == NULL || wire->out == NULL) {
        free(wire->in);
        free(wire->out);
        return rc_fail(err, RC_E_NO_MEMORY, 0, "no memory for the connection's buffers");
    }
    return 0;
}

/* ---- hello and the end */

static char *hello_line(const struct rc_wire *w, const char *cid, const uint8_t statement[384], const uint8_t *manifest,
                        size_t manifest_len, size_t *size) {
    size_t cap = 256 + strlen(cid) + RC_BASE64_SIZE(384) + RC_BASE64_SIZE(manifest_len);
    char *line = malloc(cap);
    if (line == NULL) {
        return NULL;
    }
    char *at =
        line + sprintf(line, "{\"type\":\"hello\",\"version\":1,\"cid\":\"%s\",\"encoding\":\"%s\",\"statement\":\"",
                       cid, w->binary ? "binary" : "json");
    at += rc_base64_encode(statement, 384, at);
    at += sprintf(at, "\",\"manifest\":\"");
    at += rc_base64_encode(manifest, manifest_len, at);
    at += sprintf(at, "\"}\n");
    *size = (size_t)(at - line);
    return line;
}

int rc_wire_hello(struct rc_wire *wire, const char *cid, const uint8_t statement[384], const uint8_t *manifest,
                  size_t manifest_len, struct rc_error *err) {
    static const int standard[3] = {0, 1, 2};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof standard)];
    } control = {0};
    struct iovec part[2] = {{NULL, 0}, {NULL, 0}};
    struct rc_line reply;
    struct rc_error send_error;
    char *line = hello_line(wire, cid, statement, manifest, manifest_len, &part[0].iov_len);
    if (line == NULL) {
        return rc_fail(err, RC_E_NO_MEMORY, 0, "no memory for a manifest of %zu bytes", manifest_len);
    }
    part[0].iov_base = line;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof standard);
    memcpy(CMSG_DATA(&control.header), standard, sizeof standard);
    int sent = send_all(wire->fd, part, &control, sizeof control, &send_error);
    free(line);
    /* A vkernel may deny and close before it has read everything: its reason is worth more than "closed". */
    if (take_line(wire, &reply, err) < 0) {
        if (sent < 0) {
            *err = send_error;
        }
        return -1;
    }
    if (strcmp(reply.status, "denied") == 0) {
        return rc_fail(err, RC_E_RPC_DENIED, 0, "the vkernel denies this program: %s: %s", reply.error, reply.message);
    }
    if (strcmp(reply.status, "ok") != 0) {
        return rc_fail(err, RC_E_RPC_REPLY, 0, "the vkernel's answer to hello is neither ok nor denied");
    }
    return 0;
}

void rc_wire_dying(struct rc_wire *wire, int sig) {
    struct rc_error ignored;
    char *text = (char *)wire->out + RC_FRAME_HEADER;
    int len = sprintf(text, "{\"type\":\"signal\",\"sig\":%d}\n", sig);
    struct iovec part[2] = {{text, (size_t)len}, {NULL, 0}};
    if (wire->binary) {
        rc_frame_message(wire->out, (uint32_t)len);
        part[0] = (struct iovec){wire->out, RC_FRAME_HEADER + (size_t)len};
    }
    send_all(wire->fd, part, NULL, 0, &ignored);
}
