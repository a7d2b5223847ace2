/* recompiler/socket.h: sockets for C programs compiled to wasm32-wasi. WASI preview 1 can use a socket and cannot make
 * one; module recompiler_sock_v1 makes them: IPv4 and IPv6, TCP and UDP.
 *
 * Two ways in. socket(), connect(), bind() and listen() as in BSD, on wasi-libc's own sockaddr_in and sockaddr_in6; or
 * rc_socket() and rc_connect_inet(), which need no address structure. Reading, writing, send(), recv(), shutdown(),
 * poll() and close() are wasi-libc's. What may be called and listened to says the signed manifest; the
 * rest is EACCES. Failures are -1 with errno. */
#ifndef RECOMPILER_SOCKET_H
#define RECOMPILER_SOCKET_H

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* ---- recompiler_sock_v1: numbers and addresses are Linux's (wasi-libc's AF_* and SOCK_* are others) */

#define RC_AF_INET       2
#define RC_AF_INET6      10
#define RC_SOCK_STREAM   1
#define RC_SOCK_DGRAM    2
#define RC_SOCK_NONBLOCK 04000

#define RC_SOCK_IMPORT(name) __attribute__((__import_module__("recompiler_sock_v1"), __import_name__(name)))

/* They return WASI's errno, which is wasi-libc's errno, or 0. */
RC_SOCK_IMPORT("sock_open") uint32_t rc_sock_open(uint32_t af, uint32_t type, uint32_t *fd);
RC_SOCK_IMPORT("sock_connect") uint32_t rc_sock_connect(uint32_t fd, const void *address, uint32_t len);
RC_SOCK_IMPORT("sock_bind") uint32_t rc_sock_bind(uint32_t fd, const void *address, uint32_t len);
RC_SOCK_IMPORT("sock_listen") uint32_t rc_sock_listen(uint32_t fd, uint32_t backlog);

static inline int rc_sock_result(uint32_t error) {
    if (error != 0) {
        errno = (int)error;
    }
    return error != 0 ? -1 : 0;
}

/* ---- without address structures */

/* A new socket; af: RC_AF_*, type: RC_SOCK_*. Its fd, or -1. */
static inline int rc_socket(int af, int type) {
    uint32_t fd = 0;
    return rc_sock_result(rc_sock_open((uint32_t)af, (uint32_t)type, &fd)) == 0 ? (int)fd : -1;
}

/* Linux's struct sockaddr_in: family, port, address, 8 bytes of nothing. */
static inline void rc_inet(uint8_t out[16], const uint8_t address[4], unsigned short port) {
    memset(out, 0, 16);
    out[0] = RC_AF_INET;
    out[2] = (uint8_t)(port >> 8);
    out[3] = (uint8_t)port;
    memcpy(out + 4, address, 4);
}

/* Connects to the IPv4 address a.b.c.d. 0 or -1. */
static inline int rc_connect_inet(int fd, uint8_t a, uint8_t b, uint8_t c, uint8_t d, unsigned short port) {
    const uint8_t address[4] = {a, b, c, d};
    uint8_t name[16];
    rc_inet(name, address, port);
    return rc_sock_result(rc_sock_connect((uint32_t)fd, name, sizeof name));
}

/* Binds to the IPv4 address a.b.c.d (0.0.0.0: every one). 0 or -1. */
static inline int rc_bind_inet(int fd, uint8_t a, uint8_t b, uint8_t c, uint8_t d, unsigned short port) {
    const uint8_t address[4] = {a, b, c, d};
    uint8_t name[16];
    rc_inet(name, address, port);
    return rc_sock_result(rc_sock_bind((uint32_t)fd, name, sizeof name));
}

/* Waits for connections. 0 or -1. */
static inline int rc_listen(int fd, int backlog) {
    return rc_sock_result(rc_sock_listen((uint32_t)fd, (uint32_t)backlog));
}

/* The next connection's fd, or -1. Unlike this, wasi-libc's accept() writes through a NULL address. */
static inline int rc_accept(int fd) {
    int connection = -1;
    return rc_sock_result(__wasi_sock_accept(fd, 0, &connection)) == 0 ? connection : -1;
}

/* ---- BSD's names, with wasi-libc's constants and structures */

#ifndef __wasilibc_use_wasip2

/* Writes Linux's bytes of a wasi-libc address to out; their number, or 0 with errno. */
static inline uint32_t rc_sockaddr(uint8_t out[28], const struct sockaddr *address, socklen_t len) {
    memset(out, 0, 28);
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        out[0] = RC_AF_INET;
        memcpy(out + 2, &in->sin_port, 2); /* port and address are in network order already */
        memcpy(out + 4, &in->sin_addr, 4);
        return 16;
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        out[0] = RC_AF_INET6;
        memcpy(out + 2, &in6->sin6_port, 2);
        memcpy(out + 4, &in6->sin6_flowinfo, 4);
        memcpy(out + 8, &in6->sin6_addr, 16);
        memcpy(out + 24, &in6->sin6_scope_id, 4);
        return 28;
    }
    errno = EAFNOSUPPORT;
    return 0;
}

static inline int socket(int domain, int type, int protocol) {
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    int linux_type = kind == SOCK_STREAM ? RC_SOCK_STREAM : kind == SOCK_DGRAM ? RC_SOCK_DGRAM : 0;
    int tcp_or_udp = kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    if (protocol != 0 && protocol != tcp_or_udp) {
        errno = EPROTONOSUPPORT;
        return -1;
    }
    int af = domain == AF_INET ? RC_AF_INET : domain == AF_INET6 ? RC_AF_INET6 : 0;
    return rc_socket(af, linux_type | (type & SOCK_NONBLOCK ? RC_SOCK_NONBLOCK : 0));
}

static inline int connect(int fd, const struct sockaddr *address, socklen_t len) {
    uint8_t name[28];
    uint32_t size = rc_sockaddr(name, address, len);
    return size > 0 ? rc_sock_result(rc_sock_connect((uint32_t)fd, name, size)) : -1;
}

static inline int bind(int fd, const struct sockaddr *address, socklen_t len) {
    uint8_t name[28];
    uint32_t size = rc_sockaddr(name, address, len);
    return size > 0 ? rc_sock_result(rc_sock_bind((uint32_t)fd, name, size)) : -1;
}

static inline int listen(int fd, int backlog) {
    return rc_listen(fd, backlog);
}

#endif

#if defined(__cplusplus)
}
#endif

#endif
