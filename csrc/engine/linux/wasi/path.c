/* In: paths of a guest. Out: Linux's answers, from under the container's root and nothing outside it.
 * The rules are those of vkernel_proto/paths.py: RESOLVE_IN_ROOT for absolute paths and the root, RESOLVE_BENEATH for
 * another directory; calls that make, remove or name an entry get the parent's fd and one last component. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/linux/wasi/linux.h"

enum {
    RACES = 64,     /* openat2 answers EAGAIN when a rename could have let a `..` out; then it is asked again */
    MODE = 01777,   /* without set-ID bits */
    FD_STDERR = 2,  /* 0, 1, 2 are of whoever started the guest: no paths from there */
    WIRE_AT = -100, /* AT_FDCWD */
};

/* File systems that are interfaces of the kernel; an overlay has none below it. */
static const uint32_t kernel_interfaces[] = {
    0x9FA0,     0x62656572, 0x64626720, 0x74726163, 0x27E0EB,   0x63677270, 0x73636673, 0xCAFE4A11, 0x62656570,
    0x6165676C, 0xDE5E81E4, 0xF97CFF8C, 0x43415D53, 0x42494E4D, 0x1CD1,     0x6E736673, 0x19800202,
};

static int open_how(int dirfd, const char *path, int flags, int mode, uint64_t scope) {
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .mode = (uint64_t)(unsigned)mode};
    how.resolve = scope | RESOLVE_NO_MAGICLINKS;
    long ret = -1;
    for (int i = 0; i < RACES; i++) {
        ret = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
        if (ret >= 0 || errno != EAGAIN) {
            break;
        }
    }
    return (int)ret;
}

/* A directory that is the root resolves like it; another one that is left upwards does so inside the root, if the
 * process has no other. */
static int resolve(int64_t dirfd, const char *path, int flags, int mode) {
    struct stat st;
    if (*path == '/' || dirfd == WIRE_AT) {
        return open_how(sys_container->root, path, flags, mode, RESOLVE_IN_ROOT);
    }
    if (dirfd <= FD_STDERR || !sys_fd_ok(dirfd)) {
        errno = sys_fd_ok(dirfd) ? EACCES : EBADF;
        return -1;
    }
    if (fstat((int)dirfd, &st) == 0 && st.st_dev == sys_container->root_device &&
        st.st_ino == sys_container->root_inode) {
        return open_how(sys_container->root, path, flags, mode, RESOLVE_IN_ROOT);
    }
    int fd = open_how((int)dirfd, path, flags, mode, RESOLVE_BENEATH);
    if (fd < 0 && errno == EXDEV && sys_container->in_force & FORCE_ROOT) {
        fd = open_how((int)dirfd, path, flags, mode, 0);
    }
    if (fd < 0 && errno == EXDEV) {
        sys_denied(-EXDEV, "%s: out of its directory", path);
    }
    return fd;
}

/* 0, or -1 with EACCES: what a host may have mounted inside a root that is used as it is. */
static int admit(int fd, const char *path) {
    struct statfs fs;
    if (sys_container->in_force & FORCE_OVERLAY) {
        return 0;
    }
    if (fstatfs(fd, &fs) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof kernel_interfaces / sizeof *kernel_interfaces; i++) {
        if ((uint32_t)fs.f_type == kernel_interfaces[i]) {
            errno = (int)-sys_denied(-EACCES, "%s: an interface of the kernel", path);
            return -1;
        }
    }
    return 0;
}

/* An O_PATH fd of the named file, or -errno. */
static int64_t place(int64_t dirfd, const char *path, int follow) {
    int fd = resolve(dirfd, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
    if (fd >= 0 && admit(fd, path) < 0) {
        int why = errno;
        close(fd);
        return -why;
    }
    return fd < 0 ? -errno : fd;
}

/* An fd of the directory that holds the last component, and that component with at most one slash behind it. */
static int64_t parent_of(int64_t dirfd, const char *path, char last[NAME_MAX + 2]) {
    char head[PATH_MAX];
    size_t len = strlen(path), end = len, cut;
    if (len >= PATH_MAX) {
        return -ENAMETOOLONG;
    }
    if (len == 0) {
        return -ENOENT;
    }
    while (end > 0 && path[end - 1] == '/') {
        end--;
    }
    for (cut = end; cut > 0 && path[cut - 1] != '/'; cut--) {
    }
    if (end - cut > NAME_MAX) {
        return -ENAMETOOLONG;
    }
    memcpy(last, path + cut, end - cut);
    strcpy(last + (end - cut), end == len ? "" : "/");
    memcpy(head, path, cut);
    strcpy(head + cut, cut == 0 ? (end == 0 ? "/" : ".") : "");
    int fd = resolve(dirfd, head, O_PATH | O_DIRECTORY, 0);
    if (fd >= 0 && admit(fd, path) < 0) {
        int why = errno;
        close(fd);
        return -why;
    }
    return fd < 0 ? -errno : fd;
}

static int64_t close_and(int fd, int64_t ret) {
    int64_t result = sys_result(ret);
    close(fd);
    return result;
}

/* ---- opening. A device is not opened: the mount says so (nodev), or, without one, a look before. */

static int names_device(int64_t dirfd, const char *path, int64_t flags) {
    struct stat st;
    int64_t fd = place(dirfd, path, !(flags & O_NOFOLLOW));
    int device = fd >= 0 && fstat((int)fd, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode));
    if (fd >= 0) {
        close((int)fd);
    }
    return device;
}

static int64_t open_at(int64_t dirfd, const char *path, int64_t flags, int64_t mode) {
    int host_flags = (int)flags | O_LARGEFILE | O_NOCTTY;
    int host_mode = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? (int)mode & MODE : 0;
    if (flags & O_PATH) {
        host_flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
    }
    host_flags &= ~(O_ASYNC | O_DIRECT);
    if (!(sys_container->in_force & FORCE_NO_DEVICES) && names_device(dirfd, path, flags)) {
        return sys_denied(-EACCES, "%s: a device", path);
    }
    int fd = resolve(dirfd, path, host_flags, host_mode);
    if (fd < 0 && errno == EACCES && names_device(dirfd, path, flags)) {
        return sys_denied(-EACCES, "%s: a device", path); /* the mount has refused it */
    }
    if (fd >= 0 && admit(fd, path) < 0) {
        int why = errno;
        close(fd);
        return -why;
    }
    return sys_fd_give(fd);
}

int64_t sys_openat(struct rc_call *call) {
    return open_at(call->arg[0], call->str[0], call->arg[2], call->arg[3]);
}

int64_t sys_open(struct rc_call *call) {
    return open_at(WIRE_AT, call->str[0], call->arg[1], call->arg[2]);
}

/* ---- looking */

int64_t sys_newfstatat(struct rc_call *call) {
    if (call->arg[2] & ~(int64_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT)) {
        return -EINVAL;
    }
    int64_t fd = place(call->arg[0], call->str[0], !(call->arg[2] & AT_SYMLINK_NOFOLLOW));
    if (fd < 0) {
        return fd;
    }
    int64_t ret = sys_stat_reply(call, (int)fd);
    close((int)fd);
    return ret;
}

int64_t sys_readlinkat(struct rc_call *call) {
    if (call->arg[2] <= 0) {
        return -EINVAL;
    }
    int64_t fd = place(call->arg[0], call->str[0], 0);
    if (fd < 0) {
        return fd;
    }
    int64_t ret = close_and((int)fd, readlinkat((int)fd, "", call->reply, sys_room(call, call->arg[2])));
    ret = ret == -ENOENT ? -EINVAL : ret; /* an fd that is no symlink's (readlink(2)) */
    call->reply_len = ret > 0 ? (size_t)ret : 0;
    return ret;
}

/* ---- names */

int64_t sys_mkdirat(struct rc_call *call) {
    char last[NAME_MAX + 2];
    int64_t fd = parent_of(call->arg[0], call->str[0], last);
    return fd < 0 ? fd : close_and((int)fd, mkdirat((int)fd, last, (mode_t)call->arg[2] & MODE));
}

int64_t sys_unlinkat(struct rc_call *call) {
    char last[NAME_MAX + 2];
    if (call->arg[2] & ~(int64_t)AT_REMOVEDIR) {
        return -EINVAL;
    }
    int64_t fd = parent_of(call->arg[0], call->str[0], last);
    return fd < 0 ? fd : close_and((int)fd, unlinkat((int)fd, last, (int)call->arg[2]));
}

int64_t sys_symlinkat(struct rc_call *call) {
    char last[NAME_MAX + 2];
    int64_t fd = parent_of(call->arg[1], call->str[1], last);
    return fd < 0 ? fd : close_and((int)fd, symlinkat(call->str[0], (int)fd, last));
}

int64_t sys_renameat2(struct rc_call *call) {
    char old[NAME_MAX + 2], new[NAME_MAX + 2];
    if (call->arg[4] < 0 || call->arg[4] > 2) { /* RENAME_NOREPLACE or RENAME_EXCHANGE; RENAME_WHITEOUT is a device */
        return -EINVAL;
    }
    int64_t from = parent_of(call->arg[0], call->str[0], old);
    int64_t to = from < 0 ? from : parent_of(call->arg[2], call->str[1], new);
    if (to < 0) {
        return from < 0 ? from : (close((int)from), to);
    }
    int64_t ret = syscall(SYS_renameat2, (int)from, old, (int)to, new, (int)call->arg[4]);
    ret = close_and((int)to, ret);
    close((int)from);
    return ret;
}

/* What is followed is linked by its fd, which Linux 6.10 allows to who opened it. A slash at the end follows as well:
 * a name that Linux follows must not be given to it. */
int64_t sys_linkat(struct rc_call *call) {
    char old[NAME_MAX + 2], new[NAME_MAX + 2];
    const size_t len = strlen(call->str[0]);
    int follow = (call->arg[4] & AT_SYMLINK_FOLLOW) != 0 || (len > 0 && call->str[0][len - 1] == '/');
    if (call->arg[4] & ~(int64_t)AT_SYMLINK_FOLLOW) {
        return -EINVAL;
    }
    int64_t from = follow ? place(call->arg[0], call->str[0], 1) : parent_of(call->arg[0], call->str[0], old);
    int64_t to = from < 0 ? from : parent_of(call->arg[2], call->str[1], new);
    if (to < 0) {
        return from < 0 ? from : (close((int)from), to);
    }
    int64_t ret = linkat((int)from, follow ? "" : old, (int)to, new, follow ? AT_EMPTY_PATH : 0);
    ret = close_and((int)to, ret);
    close((int)from);
    return ret;
}

int64_t sys_utimensat(struct rc_call *call) {
    struct timespec times[2];
    if (call->arg[2] & ~(int64_t)AT_SYMLINK_NOFOLLOW || (call->data_len != 0 && call->data_len != sizeof times)) {
        return -EINVAL;
    }
    memcpy(times, call->data_len ? call->data : times, call->data_len);
    const struct timespec *given = call->data_len ? times : NULL;
    if (!*call->str[0]) {
        return sys_fd_ok(call->arg[0]) ? sys_result(syscall(SYS_utimensat, (int)call->arg[0], NULL, given, 0)) : -EBADF;
    }
    int64_t fd = place(call->arg[0], call->str[0], !(call->arg[2] & AT_SYMLINK_NOFOLLOW));
    return fd < 0 ? fd : close_and((int)fd, syscall(SYS_utimensat, (int)fd, "", given, AT_EMPTY_PATH));
}
