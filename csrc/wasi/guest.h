/* wasi/guest.h: what the WASI functions share: the guest's memory, its fd table, syscalls, errno.
 * Private to this folder. The layouts are those of wasi_snapshot_preview1 (witx): offsets, never host structs. */
#ifndef RC_WASI_GUEST_H
#define RC_WASI_GUEST_H

#include <string.h>

#include "base/bytes.h"
#include "wasi/wasi.h"

/* WASI's errno, in its order: the place is the number. */
/* clang-format off */
#define RC_WASI_ERRNOS(X)                                                                                              \
    X(SUCCESS) X(2BIG) X(ACCES) X(ADDRINUSE) X(ADDRNOTAVAIL) X(AFNOSUPPORT) X(AGAIN) X(ALREADY) X(BADF) X(BADMSG)      \
    X(BUSY) X(CANCELED) X(CHILD) X(CONNABORTED) X(CONNREFUSED) X(CONNRESET) X(DEADLK) X(DESTADDRREQ) X(DOM) X(DQUOT)   \
    X(EXIST) X(FAULT) X(FBIG) X(HOSTUNREACH) X(IDRM) X(ILSEQ) X(INPROGRESS) X(INTR) X(INVAL) X(IO) X(ISCONN) X(ISDIR)  \
    X(LOOP) X(MFILE) X(MLINK) X(MSGSIZE) X(MULTIHOP) X(NAMETOOLONG) X(NETDOWN) X(NETRESET) X(NETUNREACH) X(NFILE)      \
    X(NOBUFS) X(NODEV) X(NOENT) X(NOEXEC) X(NOLCK) X(NOLINK) X(NOMEM) X(NOMSG) X(NOPROTOOPT) X(NOSPC) X(NOSYS)         \
    X(NOTCONN) X(NOTDIR) X(NOTEMPTY) X(NOTRECOVERABLE) X(NOTSOCK) X(NOTSUP) X(NOTTY) X(NXIO) X(OVERFLOW) X(OWNERDEAD)  \
    X(PERM) X(PIPE) X(PROTO) X(PROTONOSUPPORT) X(PROTOTYPE) X(RANGE) X(ROFS) X(SPIPE) X(SRCH) X(STALE) X(TIMEDOUT)     \
    X(TXTBSY) X(XDEV) X(NOTCAPABLE)
/* clang-format on */

enum rc_wasi_errno {
#define RC_WASI_ERRNO_ENUM(name) WASI_##name,
    RC_WASI_ERRNOS(RC_WASI_ERRNO_ENUM)
#undef RC_WASI_ERRNO_ENUM
};

/* Rights, in their order: the place is the bit. */
/* clang-format off */
#define RC_WASI_RIGHTS(X)                                                                                              \
    X(FD_DATASYNC) X(FD_READ) X(FD_SEEK) X(FD_FDSTAT_SET_FLAGS) X(FD_SYNC) X(FD_TELL) X(FD_WRITE) X(FD_ADVISE)         \
    X(FD_ALLOCATE) X(PATH_CREATE_DIRECTORY) X(PATH_CREATE_FILE) X(PATH_LINK_SOURCE) X(PATH_LINK_TARGET) X(PATH_OPEN)   \
    X(FD_READDIR) X(PATH_READLINK) X(PATH_RENAME_SOURCE) X(PATH_RENAME_TARGET) X(PATH_FILESTAT_GET)                    \
    X(PATH_FILESTAT_SET_SIZE) X(PATH_FILESTAT_SET_TIMES) X(FD_FILESTAT_GET) X(FD_FILESTAT_SET_SIZE)                    \
    X(FD_FILESTAT_SET_TIMES) X(PATH_SYMLINK) X(PATH_REMOVE_DIRECTORY) X(PATH_UNLINK_FILE) X(POLL_FD_READWRITE)         \
    X(SOCK_SHUTDOWN) X(SOCK_ACCEPT)
/* clang-format on */

enum rc_wasi_right_bit {
#define RC_WASI_RIGHT_ENUM(name) RC_WASI_BIT_##name,
    RC_WASI_RIGHTS(RC_WASI_RIGHT_ENUM)
#undef RC_WASI_RIGHT_ENUM
        RC_WASI_RIGHT_COUNT
};
#define RIGHT(name) (UINT64_C(1) << RC_WASI_BIT_##name)
#define RIGHTS_ALL  ((UINT64_C(1) << RC_WASI_RIGHT_COUNT) - 1)
/* What makes path_open ask Linux for an fd to read, and for one to write. */
#define RIGHTS_READ  (RIGHT(FD_READ) | RIGHT(FD_READDIR))
#define RIGHTS_WRITE (RIGHT(FD_DATASYNC) | RIGHT(FD_WRITE) | RIGHT(FD_ALLOCATE) | RIGHT(FD_FILESTAT_SET_SIZE))

enum rc_wasi_filetype {
    FILETYPE_UNKNOWN,
    FILETYPE_BLOCK_DEVICE,
    FILETYPE_CHARACTER_DEVICE,
    FILETYPE_DIRECTORY,
    FILETYPE_REGULAR_FILE,
    FILETYPE_SOCKET_DGRAM,
    FILETYPE_SOCKET_STREAM,
    FILETYPE_SYMBOLIC_LINK,
    FILETYPE_NOT_ASKED, /* ours: no fstat(2) yet */
};

enum { FDFLAG_APPEND = 1, FDFLAG_DSYNC = 2, FDFLAG_NONBLOCK = 4, FDFLAG_RSYNC = 8, FDFLAG_SYNC = 16, FDFLAGS_ALL = 31 };

/* ---- the fd table: wasi/wasi.c */

#define RC_WASI_FD_MAX   65536 /* the backend's own limit (open_files) comes first */
#define RC_WASI_IOV_MAX  1024  /* IOV_MAX of Linux */
#define RC_WASI_PATH_MAX 4096

enum { SYS_FREE = -1, SYS_UNOPENED = -2 };

struct rc_wasi_fd {
    int64_t sys;         /* the backend's fd, or SYS_FREE, or SYS_UNOPENED: a preopen that nobody used yet */
    uint64_t base;       /* rights of this fd */
    uint64_t inheriting; /* rights that path_open and sock_accept may give to fds made from it */
    const char *preopen; /* the preopen's name, or NULL */
    int64_t flags;       /* open(2) flags of an fd this file opened; -1: shared with others, ask each time */
    int type;            /* enum rc_wasi_filetype */
};

struct rc_wasi_iov {
    uint8_t *base;
    uint64_t len;
};

struct rc_wasi_state {
    struct rc_wasi_fd *fd;
    uint32_t fd_count;
    uint32_t fd_lowest; /* no number below this one is free */
    uint8_t *bounce;    /* scratch between guest and backend: one syscall's data at most */
    uint64_t bounce_size;
    struct rc_wasi_iov iov[RC_WASI_IOV_MAX]; /* the vector of the call that runs, without its empty items */
    uint32_t iov_count;
    uint64_t iov_total;
};

/* The entry of an open fd, whatever its rights. BADF. */
uint32_t rc_wasi_fd_find(struct rc_wasi *w, uint64_t fd, struct rc_wasi_fd **out);
/* The same with all of these rights and a backend fd behind it. BADF, NOTCAPABLE, or what opening a preopen gave. */
uint32_t rc_wasi_fd_get(struct rc_wasi *w, uint64_t fd, uint64_t rights, struct rc_wasi_fd **out);
/* The lowest free number, with room for it: before the syscall that makes an fd. Entries may move. MFILE, NOMEM. */
uint32_t rc_wasi_fd_reserve(struct rc_wasi *w, uint32_t *fd);
/* Filetype of an open fd; asked once. */
uint32_t rc_wasi_fd_type(struct rc_wasi *w, struct rc_wasi_fd *f, int *type);
/* size bytes of scratch, valid until the next call; NULL when there is no memory. */
uint8_t *rc_wasi_bounce(struct rc_wasi *w, uint64_t size);
/* The backend's value or -errno; a reply that cannot be right is -EIO. */
int64_t rc_wasi_syscall(struct rc_wasi *w, struct rc_call *call);

/* ---- wasi/errno.c: 0 for ret >= 0, else WASI's number for Linux's -ret */
uint32_t rc_wasi_errno(int64_t ret);

/* ---- wasi/memory.c */

/* The guest's bytes [pointer, pointer + len), or NULL when not all of them are its memory. */
uint8_t *rc_wasi_at(const struct rc_wasi *w, uint64_t pointer, uint64_t len);
/* Reads iovec[count] at pointer into the state. FAULT, INVAL (count > 1024, a sum over 2^32 - 1). */
uint32_t rc_wasi_iov(struct rc_wasi *w, uint64_t pointer, uint64_t count);
/* Between the vector's bytes [at, at + len) and flat. */
void rc_wasi_gather(const struct rc_wasi_state *s, uint64_t at, uint8_t *flat, uint64_t len);
void rc_wasi_scatter(const struct rc_wasi_state *s, uint64_t at, const uint8_t *flat, uint64_t len);

/* ---- wasi/stat.c, wasi/process.c: Linux's words to WASI's */
int rc_wasi_filetype(uint32_t mode);         /* st_mode to filetype; a socket is a stream, a FIFO unknown */
uint64_t rc_wasi_ns(const uint8_t time[16]); /* struct timespec to nanoseconds, held to 0..2^64 - 1 */
uint32_t rc_wasi_now(struct rc_wasi *w, uint64_t clock, uint64_t *ns);

/* ---- wasi/path.c */

/* A guest's path, checked and NUL-terminated: FAULT, NAMETOOLONG, INVAL (NUL), ILSEQ (not UTF-8), NOENT (empty),
 * NOTCAPABLE (absolute, or its `..` leave the directory). */
uint32_t rc_wasi_path(const struct rc_wasi *w, uint64_t pointer, uint64_t len, char out[RC_WASI_PATH_MAX]);

/* A WASI function: struct rc_wasi_function's call, named as in the witx. */
#define RC_WASI_CALL(name) uint32_t rc_wasi_##name(struct rc_wasi *w, const uint64_t *arg)

#endif
