/* In: where a vkernel should be. Out: a socket to it, after its owner and every directory on the way were looked at. */
#include "wire/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/source.h"

static int is_id_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

int rc_cid_check(const char *cid, struct rc_error *err) {
    size_t len = strlen(cid);
    int ok = len >= 1 && len <= RC_CID_MAX && strchr("_.-", cid[0]) == NULL && strstr(cid, "..") == NULL;
    for (size_t i = 0; ok && i < len; i++) {
        ok = is_id_character(cid[i]);
    }
    if (!ok) {
        return rc_fail(err, RC_E_SOCK_ID, 0, "container id is not [a-z0-9][a-z0-9_.-]{0,62} without two dots");
    }
    return 0;
}

int rc_cid_of_subject(const char *subject, char out[RC_CID_MAX + 1], struct rc_error *err) {
    const char *slash = strrchr(subject, '/');
    snprintf(out, RC_CID_MAX + 1, "%s", slash ? slash + 1 : subject);
    return rc_cid_check(out, err);
}

static int is_trusted(uid_t uid) {
    return uid == 0 || uid == geteuid();
}

/* A directory that only root and this user can change; path's first len characters name it. */
static int check_directory(int fd, const char *path, size_t len, struct rc_error *err) {
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode)) {
        return rc_fail(err, RC_E_SOCK_PATH, 0, "%s: a component is not a directory", path);
    }
    return rc_check_closed(&st, RC_E_SOCK_PATH, path, len, err);
}

/* Opens the socket's inode: an openat walk with O_NOFOLLOW on every component. */
static int open_socket_path(const char *path, struct rc_error *err) {
    char part[sizeof((struct sockaddr_un *)0)->sun_path];
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *rest = path;
    while (at >= 0) {
        if (check_directory(at, path, rest == path ? 1 : (size_t)(rest - path), err) < 0) {
            close(at);
            return -1;
        }
        rest += strspn(rest, "/");
        size_t len = strcspn(rest, "/");
        memcpy(part, rest, len); /* the whole path fits, so each component does */
        part[len] = '\0';
        rest += len;
        int next = openat(at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        close(at);
        errno = error;
        if (next < 0 || *rest == '\0') {
            at = next;
            break;
        }
        at = next;
    }
    struct stat st;
    if (at < 0) {
        return rc_fail(err, RC_E_SOCK_CONNECT, 0, "%s: %s (is a vkernel running?)", path, strerror(errno));
    }
    if (fstat(at, &st) < 0 || !S_ISSOCK(st.st_mode) || !is_trusted(st.st_uid)) {
        close(at);
        return rc_fail(err, RC_E_SOCK_PATH, 0, "%s is not a socket of root or of this user", path);
    }
    return at;
}

static int check_peer(int fd, struct rc_error *err) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || len != sizeof peer) {
        return rc_fail(err, RC_E_SOCK_PEER, 0, "the socket does not name its peer: %s", strerror(errno));
    }
    if (!is_trusted(peer.uid)) {
        return rc_fail(err, RC_E_SOCK_PEER, 0, "the socket's peer runs as uid %u, neither root nor this user",
                       (unsigned)peer.uid);
    }
    return 0;
}

void rc_sock_timeout(int fd, int timeout_ms) {
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

int rc_sock_connect(const char *directory, const char *cid, int timeout_ms, struct rc_error *err) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char path[sizeof name.sun_path];
    if (rc_cid_check(cid, err) < 0) {
        return -1;
    }
    int len = snprintf(path, sizeof path, "%s/%s.sock", directory, cid);
    if (directory[0] != '/' || len >= (int)sizeof path) {
        return rc_fail(err, RC_E_SOCK_PATH, 0, "the socket's path is not absolute or is longer than 107 bytes");
    }
    int inode = open_socket_path(path, err);
    if (inode < 0) {
        return -1;
    }
    /* Connect to the inode that was looked at, whatever the path names by now. */
    snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d", inode);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        rc_sock_timeout(fd, timeout_ms);
    }
    int failed = fd < 0 || connect(fd, (const struct sockaddr *)&name, sizeof name) < 0;
    int error = errno;
    close(inode);
    if (failed) {
        close(fd);
        return rc_fail(err, error == EAGAIN ? RC_E_SOCK_TIMEOUT : RC_E_SOCK_CONNECT, 0,
                       "%s: %s (is a vkernel running?)", path, strerror(error));
    }
    if (check_peer(fd, err) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int rc_sock_adopt(int fd, struct rc_error *err) {
    struct sockaddr_un peer;
    socklen_t peer_len = sizeof peer;
    int type = 0, off = 0;
    socklen_t type_len = sizeof type;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0 || peer.sun_family != AF_UNIX ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0 || type != SOCK_STREAM) {
        return rc_fail(err, RC_E_SOCK_CONNECT, 0, "inherited fd %d is not a connected UNIX stream socket", fd);
    }
    /* Credentials on every message would look like a message with fds. */
    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &off, sizeof off);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~(O_NONBLOCK | O_ASYNC)) < 0) {
        return rc_fail(err, RC_E_SOCK_CONNECT, 0, "inherited fd %d cannot be set blocking", fd);
    }
    return check_peer(fd, err);
}
