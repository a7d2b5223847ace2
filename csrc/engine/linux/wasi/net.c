/* In: a guest's socket calls, sockaddrs in Linux's layout. Out: Linux's answers, for TCP and UDP within the manifest's
 * rules, decided on a copy before the kernel sees the address. The rules are those of docs/wire.md. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/linux/wasi/linux.h"

enum { FD_STDERR = 2 };

struct peer {
    int family; /* 4 or 6 */
    uint8_t address[16];
    uint16_t port;
};

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* 0, -EINVAL or -EAFNOSUPPORT. ::ffff:a.b.c.d is a.b.c.d. */
static int parse(const void *data, size_t len, struct sockaddr_storage *copy, struct peer *peer) {
    if (len < sizeof copy->ss_family || len > sizeof *copy) {
        return -EINVAL;
    }
    memcpy(copy, data, len);
    if (copy->ss_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *in = (const void *)copy;
        *peer = (struct peer){.family = 4, .port = ntohs(in->sin_port)};
        memcpy(peer->address, &in->sin_addr, 4);
        return 0;
    }
    if (copy->ss_family == AF_INET6 && len >= 28) {
        const struct sockaddr_in6 *in6 = (const void *)copy;
        *peer = (struct peer){.family = 6, .port = ntohs(in6->sin6_port)};
        memcpy(peer->address, &in6->sin6_addr, 16);
        if (memcmp(peer->address, mapped, sizeof mapped) == 0) {
            peer->family = 4;
            memmove(peer->address, peer->address + 12, 4);
        }
        return 0;
    }
    return copy->ss_family == AF_INET || copy->ss_family == AF_INET6 ? -EINVAL : -EAFNOSUPPORT;
}

static int prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits) {
    unsigned rest = bits % 8;
    if (memcmp(a, b, bits / 8) != 0) {
        return 0;
    }
    return rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0;
}

static int allowed(int bind, const struct peer *peer) {
    for (uint32_t i = 0; i < sys_container->is.rule_count; i++) {
        const struct control_rule *rule = &sys_container->rule[i];
        unsigned most = peer->family == 4 ? 32 : 128;
        if (rule->bind == bind && (rule->port == 0 || rule->port == peer->port) &&
            (rule->family == 0 || (rule->family == peer->family && rule->prefix <= most &&
                                   prefix_equal(rule->address, peer->address, rule->prefix)))) {
            return 1;
        }
    }
    return 0;
}

static int64_t no_rule(const struct peer *peer) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(peer->family == 4 ? AF_INET : AF_INET6, peer->address, text, sizeof text);
    return sys_denied(-EACCES, peer->family == 4 ? "%s:%u: no rule" : "[%s]:%u: no rule", text, peer->port);
}

/* Linux takes 0.0.0.0 and :: for loopback here, so loopback is what a rule must allow. */
static int may_reach(struct peer peer) {
    static const uint8_t any[16];
    if (memcmp(peer.address, any, peer.family == 4 ? 4 : 16) == 0) {
        peer.address[peer.family == 4 ? 0 : 15] = peer.family == 4 ? 127 : 1;
        peer.address[3] = peer.family == 4 ? 1 : peer.address[3];
    }
    return allowed(0, &peer);
}

/* A socket that this guest made: whoever passed 0, 1, 2 has set them up. */
static int64_t own(int64_t fd) {
    return !sys_fd_ok(fd) ? -EBADF : fd <= FD_STDERR ? -EPERM : 0;
}

int64_t sys_socket(struct rc_call *call) {
    int type = (int)call->arg[1] & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (call->arg[0] != AF_INET && call->arg[0] != AF_INET6) {
        return sys_denied(-EAFNOSUPPORT, "family %lld: IPv4 and IPv6 only", (long long)call->arg[0]);
    }
    if (type != SOCK_STREAM && type != SOCK_DGRAM) {
        return type == SOCK_RAW ? sys_denied(-EPERM, "raw: TCP and UDP only") : -ESOCKTNOSUPPORT;
    }
    if (call->arg[2] != 0 && call->arg[2] != (type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP)) {
        return -EPROTONOSUPPORT;
    }
    return sys_fd_give(socket((int)call->arg[0], (int)call->arg[1] | SOCK_CLOEXEC, (int)call->arg[2]));
}

int64_t sys_connect(struct rc_call *call) {
    struct sockaddr_storage copy;
    struct peer peer;
    int64_t error = own(call->arg[0]);
    if (error) {
        return error;
    }
    error = parse(call->data, call->data_len, &copy, &peer);
    if (error == -EAFNOSUPPORT && copy.ss_family == AF_UNSPEC) {
        /* dissolves an association (connect(2)): no address to decide */
        return sys_result(connect((int)call->arg[0], (const void *)&copy, sizeof(sa_family_t)));
    }
    if (error || !may_reach(peer)) {
        return error ? error : no_rule(&peer);
    }
    return sys_result(connect((int)call->arg[0], (const void *)&copy, (socklen_t)call->data_len));
}

int64_t sys_bind(struct rc_call *call) {
    struct sockaddr_storage copy;
    struct peer local;
    int64_t error = own(call->arg[0]);
    if (error || (error = parse(call->data, call->data_len, &copy, &local))) {
        return error;
    }
    if (!allowed(1, &local)) {
        return no_rule(&local);
    }
    return sys_result(bind((int)call->arg[0], (const void *)&copy, (socklen_t)call->data_len));
}

/* A listen without bind is a bind to port 0. */
int64_t sys_listen(struct rc_call *call) {
    struct sockaddr_storage copy;
    socklen_t len = sizeof copy;
    struct peer local;
    int64_t error = own(call->arg[0]);
    if (error) {
        return error;
    }
    if (getsockname((int)call->arg[0], (void *)&copy, &len) < 0) {
        return -errno;
    }
    struct sockaddr_storage again;
    if ((error = parse(&copy, len, &again, &local))) {
        return error;
    }
    if (local.port == 0 && !allowed(1, &local)) {
        return no_rule(&local);
    }
    return sys_result(listen((int)call->arg[0], (int)call->arg[1]));
}

int64_t sys_accept4(struct rc_call *call) {
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    if (!sys_fd_ok(call->arg[0])) {
        return -EBADF;
    }
    int flags = (int)call->arg[1] & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    int64_t fd = sys_fd_give(accept4((int)call->arg[0], (void *)&from, &len, flags | SOCK_CLOEXEC));
    if (fd >= 0 && call->arg[2] > 0) {
        const size_t room = sys_room(call, call->arg[2]);
        call->reply_len = len < room ? len : room;
        memcpy(call->reply, &from, call->reply_len);
    }
    return fd;
}

int64_t sys_sendto(struct rc_call *call) {
    struct sockaddr_storage to;
    struct peer peer;
    const int known = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE; /* MSG_FASTOPEN would be a connect */
    uint64_t address = (uint64_t)call->arg[2];
    if (!sys_fd_ok(call->arg[0])) {
        return -EBADF;
    }
    if (address > call->data_len || call->arg[1] & ~(int64_t)known) {
        return -EINVAL;
    }
    if (address) {
        int64_t error = parse(call->data, address, &to, &peer);
        if (error || !may_reach(peer)) {
            return error ? error : no_rule(&peer);
        }
    }
    const char *bytes = (const char *)call->data + address;
    return sys_result(sendto((int)call->arg[0], bytes, call->data_len - address, (int)call->arg[1] | MSG_NOSIGNAL,
                             address ? (const void *)&to : NULL, (socklen_t)address));
}

int64_t sys_recvfrom(struct rc_call *call) {
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    const int known = MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;
    if (!sys_fd_ok(call->arg[0])) {
        return -EBADF;
    }
    if (call->arg[1] < 0 || call->arg[3] < 0 || call->arg[2] & ~(int64_t)known) {
        return -EINVAL;
    }
    ssize_t ret =
        recvfrom((int)call->arg[0], call->reply, sys_room(call, call->arg[1]), (int)call->arg[2], (void *)&from, &len);
    if (ret < 0) {
        return -errno;
    }
    size_t room = call->reply_cap - (size_t)ret;
    size_t address = len < (uint64_t)call->arg[3] ? len : (size_t)call->arg[3];
    address = address < room ? address : room;
    memcpy((char *)call->reply + ret, &from, address);
    call->reply_len = (size_t)ret + address;
    return ret;
}

int64_t sys_shutdown(struct rc_call *call) {
    return sys_fd_ok(call->arg[0]) ? sys_result(shutdown((int)call->arg[0], (int)call->arg[1])) : -EBADF;
}

int64_t sys_getsockopt(struct rc_call *call) {
    socklen_t len = (socklen_t)(call->reply_cap < 128 ? call->reply_cap : 128);
    const int64_t name = call->arg[2];
    if (!sys_fd_ok(call->arg[0])) {
        return -EBADF;
    }
    if (call->arg[1] != SOL_SOCKET || (name != SO_TYPE && name != SO_ERROR && name != SO_ACCEPTCONN)) {
        return -ENOPROTOOPT;
    }
    int64_t ret = sys_result(getsockopt((int)call->arg[0], SOL_SOCKET, (int)name, call->reply, &len));
    call->reply_len = ret == 0 ? len : 0;
    return ret;
}
