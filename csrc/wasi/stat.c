/* In: an fd or a path. Out: WASI's filestat from Linux's struct stat, and sizes and times set. */
#include "wasi/guest.h"

#include <errno.h>

#include "wasi/linux.h"

int rc_wasi_filetype(uint32_t mode) {
    switch (mode & LX_S_IFMT) {
    case LX_S_IFBLK:
        return FILETYPE_BLOCK_DEVICE;
    case LX_S_IFCHR:
        return FILETYPE_CHARACTER_DEVICE;
    case LX_S_IFDIR:
        return FILETYPE_DIRECTORY;
    case LX_S_IFREG:
        return FILETYPE_REGULAR_FILE;
    case LX_S_IFLNK:
        return FILETYPE_SYMBOLIC_LINK;
    case LX_S_IFSOCK:
        return FILETYPE_SOCKET_STREAM;
    default:
        return FILETYPE_UNKNOWN; /* WASI has no FIFO */
    }
}

static int64_t stat_by(struct rc_wasi *w, struct rc_call *call, uint8_t out[STAT_BYTES]) {
    call->reply = out;
    call->reply_cap = STAT_BYTES;
    int64_t ret = rc_wasi_syscall(w, call);
    return ret >= 0 && call->reply_len != STAT_BYTES ? -EIO : ret;
}

/* An open socket says what it is; a path to one cannot. */
static int socket_type(struct rc_wasi *w, int64_t sys) {
    uint8_t value[4] = {0};
    struct rc_call call = {.nr = RC_SYS_getsockopt, .arg = {sys, LX_SOL_SOCKET, LX_SO_TYPE, sizeof value}};
    call.reply = value;
    call.reply_cap = sizeof value;
    int64_t ret = rc_wasi_syscall(w, &call);
    return ret >= 0 && rc_load(value, 4) == LX_SOCK_DGRAM ? FILETYPE_SOCKET_DGRAM : FILETYPE_SOCKET_STREAM;
}

static uint32_t stat_fd(struct rc_wasi *w, struct rc_wasi_fd *f, uint8_t st[STAT_BYTES]) {
    struct rc_call call = {.nr = RC_SYS_fstat, .arg = {f->sys}};
    int64_t ret = stat_by(w, &call, st);
    if (ret >= 0 && f->type == FILETYPE_NOT_ASKED) {
        f->type = rc_wasi_filetype((uint32_t)rc_load(st + STAT_MODE, 4));
        f->type = f->type == FILETYPE_SOCKET_STREAM ? socket_type(w, f->sys) : f->type;
    }
    return rc_wasi_errno(ret);
}

uint32_t rc_wasi_fd_type(struct rc_wasi *w, struct rc_wasi_fd *f, int *type) {
    uint8_t st[STAT_BYTES];
    uint32_t error = f->type == FILETYPE_NOT_ASKED ? stat_fd(w, f, st) : WASI_SUCCESS;
    *type = f->type;
    return error;
}

static void filestat_store(uint8_t *out, const uint8_t *st, int type) {
    rc_store(out, 8, rc_load(st + STAT_DEV, 8));
    rc_store(out + 8, 8, rc_load(st + STAT_INO, 8));
    rc_store(out + 16, 8, (uint64_t)type);
    rc_store(out + 24, 8, rc_load(st + STAT_NLINK, 8));
    rc_store(out + 32, 8, rc_load(st + STAT_SIZE, 8));
    rc_store(out + 40, 8, rc_wasi_ns(st + STAT_ATIM));
    rc_store(out + 48, 8, rc_wasi_ns(st + STAT_MTIM));
    rc_store(out + 56, 8, rc_wasi_ns(st + STAT_CTIM));
}

RC_WASI_CALL(fd_filestat_get) {
    uint8_t st[STAT_BYTES];
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(FD_FILESTAT_GET), &f);
    if (error) {
        return error;
    }
    uint8_t *out = rc_wasi_at(w, arg[1], 64);
    if (!out) {
        return WASI_FAULT;
    }
    if (!(error = stat_fd(w, f, st))) {
        filestat_store(out, st, f->type);
    }
    return error;
}

RC_WASI_CALL(path_filestat_get) {
    char path[RC_WASI_PATH_MAX];
    uint8_t st[STAT_BYTES];
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(PATH_FILESTAT_GET), &f);
    if (error || (error = rc_wasi_path(w, arg[2], arg[3], path))) {
        return error;
    }
    uint8_t *out = rc_wasi_at(w, arg[4], 64);
    if (!out) {
        return WASI_FAULT;
    }
    if (arg[1] > 1) {
        return WASI_INVAL;
    }
    struct rc_call call = {.nr = RC_SYS_newfstatat, .arg = {f->sys}, .str = {path}};
    call.arg[2] = arg[1] ? 0 : LX_AT_SYMLINK_NOFOLLOW;
    int64_t ret = stat_by(w, &call, st);
    if (ret >= 0) {
        filestat_store(out, st, rc_wasi_filetype((uint32_t)rc_load(st + STAT_MODE, 4)));
    }
    return rc_wasi_errno(ret);
}

RC_WASI_CALL(fd_filestat_set_size) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(FD_FILESTAT_SET_SIZE), &f);
    if (error) {
        return error;
    }
    if (arg[1] > INT64_MAX) {
        return WASI_INVAL;
    }
    struct rc_call call = {.nr = RC_SYS_ftruncate, .arg = {f->sys, (int64_t)arg[1]}};
    return rc_wasi_errno(rc_wasi_syscall(w, &call));
}

/* ---- times */

enum { TIME_SET = 1, TIME_NOW = 2 }; /* fstflags: for atim as they are, for mtim two bits higher */

static void timespec_store(uint8_t out[16], uint64_t ns, uint64_t flags) {
    uint64_t nsec = flags & TIME_NOW ? LX_UTIME_NOW : flags & TIME_SET ? ns % 1000000000 : LX_UTIME_OMIT;
    rc_store(out, 8, flags & TIME_SET ? ns / 1000000000 : 0);
    rc_store(out + 8, 8, nsec);
}

/* arg: atim, mtim, fstflags. call: utimensat with fd, path and flags in place. */
static uint32_t set_times(struct rc_wasi *w, struct rc_call *call, const uint64_t *arg) {
    uint8_t times[32];
    uint64_t flags = arg[2];
    if (flags > 15 || (flags & 3) == 3 || flags >> 2 == 3) {
        return WASI_INVAL;
    }
    timespec_store(times, arg[0], flags & 3);
    timespec_store(times + 16, arg[1], flags >> 2);
    call->data = times;
    call->data_len = sizeof times;
    return rc_wasi_errno(rc_wasi_syscall(w, call));
}

RC_WASI_CALL(fd_filestat_set_times) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(FD_FILESTAT_SET_TIMES), &f);
    if (error) {
        return error;
    }
    struct rc_call call = {.nr = RC_SYS_utimensat, .arg = {f->sys}, .str = {""}};
    return set_times(w, &call, arg + 1);
}

RC_WASI_CALL(path_filestat_set_times) {
    char path[RC_WASI_PATH_MAX];
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(PATH_FILESTAT_SET_TIMES), &f);
    if (error || (error = rc_wasi_path(w, arg[2], arg[3], path))) {
        return error;
    }
    if (arg[1] > 1) {
        return WASI_INVAL;
    }
    struct rc_call call = {.nr = RC_SYS_utimensat, .arg = {f->sys}, .str = {path}};
    call.arg[2] = arg[1] ? 0 : LX_AT_SYMLINK_NOFOLLOW;
    return set_times(w, &call, arg + 4);
}
