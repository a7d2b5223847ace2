/* Tries two things its manifest does not allow, and says what it was told. */
#include <errno.h>
#include <recompiler/socket.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void report(const char *what, int result) {
    printf("%s: %s\n", what, result == 0 ? "allowed" : strerror(errno));
}

int main(void) {
    /* mkdirat is not in the allow-list. */
    report("mkdir /loot", mkdir("/loot", 0700));
    /* The network rules name no address. */
    int fd = rc_socket(RC_AF_INET, RC_SOCK_STREAM);
    if (fd < 0) {
        report("socket", fd);
    } else {
        report("connect 127.0.0.1:25", rc_connect_inet(fd, 127, 0, 0, 1, 25));
    }
    return 0;
}
