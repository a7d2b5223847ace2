/* Sockets on this machine, and messages with structures that hold pointers. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"

static void pass_fd(void) {
    int pair[2], ends[2];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec v[2] = {{"mes", 3}, {"sage", 4}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
    SAY(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
    SAY(pipe(ends));
    control.header =
        (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &ends[1], sizeof(int));
    SAY(sendmsg(pair[0], &m, 0));
    char one[4] = "", two[16] = "";
    struct iovec into[2] = {{one, 3}, {two, 15}};
    memset(&control, 0, sizeof control);
    m = (struct msghdr){.msg_iov = into, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
    SAY(recvmsg(pair[1], &m, 0));
    printf("%s %s flags %d controllen %d\n", one, two, m.msg_flags, (int)m.msg_controllen);
    int got;
    memcpy(&got, CMSG_DATA(&control.header), sizeof got);
    SAY(write(got, "x", 1));
    SAY(read(ends[0], one, 3));
    SAY(shutdown(pair[0], SHUT_WR));
    SAY(recv(pair[1], one, 3, 0));
}

static void tcp(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
    socklen_t size = sizeof address;
    int value = 1;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SAY(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value));
    SAY(bind(listener, (struct sockaddr *)&address, size));
    SAY(listen(listener, 4));
    SAY(getsockname(listener, (struct sockaddr *)&address, &size));
    SAY(size);
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    SAY(connect(client, (struct sockaddr *)&address, size));
    const int server = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
    SAY(server >= 0);
    SAY(peer.sin_family);
    SAY(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value));
    size = sizeof value;
    SAY(getsockopt(client, SOL_SOCKET, SO_TYPE, &value, &size));
    SAY(value);
    SAY(send(client, "ping", 4, MSG_NOSIGNAL));
    char text[8] = "";
    SAY(recv(server, text, 8, 0));
    SAY(recv(server, text, 8, MSG_DONTWAIT));
    SAY(getpeername(client, (struct sockaddr *)&peer, &size));
    close(server);
    SAY(recv(client, text, 8, 0));
    close(listener);
    SAY(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address));
}

static void datagrams(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
    socklen_t size = sizeof address;
    const int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    SAY(bind(a, (struct sockaddr *)&address, size));
    SAY(getsockname(a, (struct sockaddr *)&address, &size));
    SAY(sendto(b, "datagram", 8, 0, (struct sockaddr *)&address, size));
    char text[16] = "";
    SAY(recvfrom(a, text, 4, MSG_TRUNC, (struct sockaddr *)&from, &size));
    printf("%s from %s\n", text, inet_ntoa(from.sin_addr));
}

void sockets(void) {
    pass_fd();
    tcp();
    datagrams();
    SAY(socket(AF_INET, 77, 0));
    SAY(bind(0, NULL, 0));
}
