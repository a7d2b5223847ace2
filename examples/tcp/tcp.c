/* Sends one line to a TCP server on 127.0.0.1 and prints the answer. */
#include <errno.h>
#include <recompiler/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: tcp PORT LINE\n");
        return 2;
    }
    int fd = rc_socket(RC_AF_INET, RC_SOCK_STREAM);
    if (fd < 0 || rc_connect_inet(fd, 127, 0, 0, 1, (unsigned short)atoi(argv[1])) != 0) {
        fprintf(stderr, "tcp: connect: %s\n", strerror(errno));
        return 1;
    }
    FILE *peer = fdopen(fd, "r+");
    if (!peer) {
        fprintf(stderr, "tcp: fdopen: %s\n", strerror(errno));
        return 1;
    }
    setvbuf(peer, NULL, _IONBF, 0);
    fprintf(peer, "%s\n", argv[2]);
    char answer[256];
    if (!fgets(answer, sizeof answer, peer)) {
        fprintf(stderr, "tcp: no answer\n");
        return 1;
    }
    printf("server says: %s", answer);
    return 0;
}
