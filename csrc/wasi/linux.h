/* wasi/linux.h: Linux's constants and layouts on x86-64, the words of docs/wire.md on every machine.
 * Not from <fcntl.h>: O_DIRECTORY, O_NOFOLLOW and struct stat differ on AArch64. */
#ifndef RC_WASI_LINUX_H
#define RC_WASI_LINUX_H

enum {
    LX_O_RDONLY = 0,
    LX_O_WRONLY = 1,
    LX_O_RDWR = 2,
    LX_O_ACCMODE = 3,
    LX_O_CREAT = 0100,
    LX_O_EXCL = 0200,
    LX_O_TRUNC = 01000,
    LX_O_APPEND = 02000,
    LX_O_NONBLOCK = 04000,
    LX_O_DSYNC = 010000,
    LX_O_DIRECTORY = 0200000,
    LX_O_NOFOLLOW = 0400000,
    LX_O_CLOEXEC = 02000000,
    LX_O_SYNC = 04010000, /* and O_RSYNC: Linux has one bit for both */

    LX_AT_FDCWD = -100,
    LX_AT_SYMLINK_NOFOLLOW = 0x100,
    LX_AT_REMOVEDIR = 0x200,
    LX_AT_SYMLINK_FOLLOW = 0x400,

    LX_S_IFMT = 0170000,
    LX_S_IFCHR = 0020000,
    LX_S_IFDIR = 0040000,
    LX_S_IFBLK = 0060000,
    LX_S_IFREG = 0100000,
    LX_S_IFLNK = 0120000,
    LX_S_IFSOCK = 0140000,

    LX_F_GETFL = 3,
    LX_F_SETFL = 4,
    LX_SEEK_SET = 0,
    LX_SEEK_CUR = 1,
    LX_TIMER_ABSTIME = 1,
    LX_UTIME_NOW = 0x3fffffff,
    LX_UTIME_OMIT = 0x3ffffffe,

    LX_POLLIN = 1,
    LX_POLLOUT = 4,
    LX_POLLERR = 8,
    LX_POLLHUP = 0x10,
    LX_POLLNVAL = 0x20,

    LX_AF_INET = 2,
    LX_AF_INET6 = 10,
    LX_SOCK_STREAM = 1,
    LX_SOCK_DGRAM = 2,
    LX_SOCK_NONBLOCK = 04000,
    LX_SOCK_CLOEXEC = 02000000,
    LX_SOL_SOCKET = 1,
    LX_SO_TYPE = 3,
    LX_MSG_PEEK = 2,
    LX_MSG_WAITALL = 0x100,
    LX_MSG_NOSIGNAL = 0x4000,
};

/* struct stat, 144 bytes: offsets */
enum {
    STAT_DEV = 0,
    STAT_INO = 8,
    STAT_NLINK = 16,
    STAT_MODE = 24,
    STAT_SIZE = 48,
    STAT_ATIM = 72,
    STAT_MTIM = 88,
    STAT_CTIM = 104,
    STAT_BYTES = 144,
};

/* struct linux_dirent64: offsets */
enum { DIRENT_INO = 0, DIRENT_OFF = 8, DIRENT_RECLEN = 16, DIRENT_TYPE = 18, DIRENT_NAME = 19 };

#endif
