/* In: an fd. Out: its offset, flags, space and durability: lseek(2), fcntl(2), fallocate(2), fsync(2). */
#include "wasi/guest.h"

#include "wasi/linux.h"

/* ---- offsets */

static uint32_t seek(struct rc_wasi *w, struct rc_wasi_fd *f, int64_t offset, int64_t whence, uint64_t pointer) {
    uint8_t *out = rc_wasi_at(w, pointer, 8);
    if (!out) {
        return WASI_FAULT;
    }
    struct rc_call call = {.nr = RC_SYS_lseek, .arg = {f->sys, offset, whence}};
    int64_t ret = rc_wasi_syscall(w, &call);
    if (ret < 0) {
        return rc_wasi_errno(ret);
    }
    rc_store(out, 8, (uint64_t)ret);
    return WASI_SUCCESS;
}

RC_WASI_CALL(fd_seek) {
    int asks_only = arg[1] == 0 && arg[2] == LX_SEEK_CUR; /* the witx: then the right to tell is enough */
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], asks_only ? RIGHT(FD_TELL) : RIGHT(FD_SEEK), &f);
    if (error) {
        return error;
    }
    return arg[2] > 2 ? WASI_INVAL : seek(w, f, (int64_t)arg[1], (int64_t)arg[2], arg[3]);
}

RC_WASI_CALL(fd_tell) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(FD_TELL), &f);
    return error ? error : seek(w, f, 0, LX_SEEK_CUR, arg[1]);
}

/* ---- flags and rights */

static uint16_t fdflags_of(int64_t flags) {
    uint16_t out = 0;
    out |= flags & LX_O_APPEND ? FDFLAG_APPEND : 0;
    out |= flags & LX_O_NONBLOCK ? FDFLAG_NONBLOCK : 0;
    if ((flags & LX_O_SYNC) == LX_O_SYNC) {
        return out | FDFLAG_SYNC;
    }
    return out | (flags & LX_O_DSYNC ? FDFLAG_DSYNC : 0);
}

static uint32_t flags_of(struct rc_wasi *w, const struct rc_wasi_fd *f, int64_t *flags) {
    *flags = f->flags;
    if (*flags < 0) {
        struct rc_call call = {.nr = RC_SYS_fcntl, .arg = {f->sys, LX_F_GETFL}};
        *flags = rc_wasi_syscall(w, &call);
    }
    return rc_wasi_errno(*flags);
}

/* The rights as the guest may see them: without those that the open mode rules out, and without seek and tell on a
 * terminal, because that is how wasi-libc's isatty tells a terminal from other character devices. */
static uint64_t rights_seen(struct rc_wasi *w, const struct rc_wasi_fd *f, int64_t flags, int type) {
    uint64_t base = f->base;
    if ((flags & LX_O_ACCMODE) == LX_O_RDONLY) {
        base &= ~RIGHTS_WRITE;
    } else if ((flags & LX_O_ACCMODE) == LX_O_WRONLY) {
        base &= ~RIGHTS_READ;
    }
    if (type == FILETYPE_CHARACTER_DEVICE) {
        struct rc_call call = {.nr = RC_SYS_lseek, .arg = {f->sys, 0, LX_SEEK_CUR}};
        if (rc_wasi_syscall(w, &call) < 0) {
            base &= ~(RIGHT(FD_SEEK) | RIGHT(FD_TELL));
        }
    }
    return base;
}

RC_WASI_CALL(fd_fdstat_get) {
    struct rc_wasi_fd *f;
    int64_t flags;
    int type;
    uint32_t error = rc_wasi_fd_find(w, arg[0], &f); /* a preopen need not be opened for this */
    if (error) {
        return error;
    }
    uint8_t *out = rc_wasi_at(w, arg[1], 24);
    if (!out) {
        return WASI_FAULT;
    }
    if ((error = rc_wasi_fd_type(w, f, &type)) || (error = flags_of(w, f, &flags))) {
        return error;
    }
    rc_store(out, 8, (uint64_t)type | (uint64_t)fdflags_of(flags) << 16);
    rc_store(out + 8, 8, rights_seen(w, f, flags, type));
    rc_store(out + 16, 8, f->inheriting);
    return WASI_SUCCESS;
}

RC_WASI_CALL(fd_fdstat_set_flags) {
    struct rc_wasi_fd *f;
    int64_t flags;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(FD_FDSTAT_SET_FLAGS), &f);
    if (error) {
        return error;
    }
    if (arg[1] > FDFLAGS_ALL) {
        return WASI_INVAL;
    }
    if ((error = flags_of(w, f, &flags))) {
        return error;
    }
    if ((arg[1] ^ fdflags_of(flags)) & (FDFLAG_DSYNC | FDFLAG_SYNC | FDFLAG_RSYNC)) {
        return WASI_NOTSUP; /* fcntl(2): F_SETFL leaves O_SYNC and O_DSYNC as they are, without saying so */
    }
    flags &= ~(int64_t)(LX_O_APPEND | LX_O_NONBLOCK);
    flags |= arg[1] & FDFLAG_APPEND ? LX_O_APPEND : 0;
    flags |= arg[1] & FDFLAG_NONBLOCK ? LX_O_NONBLOCK : 0;
    struct rc_call call = {.nr = RC_SYS_fcntl, .arg = {f->sys, LX_F_SETFL, flags}};
    error = rc_wasi_errno(rc_wasi_syscall(w, &call));
    if (!error && f->flags >= 0) {
        f->flags = flags;
    }
    return error;
}

/* ---- space and durability */

static int is_range(uint64_t offset, uint64_t len) {
    return offset <= INT64_MAX && len <= INT64_MAX - offset;
}

/* Advice changes no result: it is taken and dropped, with posix_fadvise(3)'s errors. */
RC_WASI_CALL(fd_advise) {
    struct rc_wasi_fd *f;
    int type;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(FD_ADVISE), &f);
    if (error) {
        return error;
    }
    if (!is_range(arg[1], arg[2]) || arg[3] > 5) {
        return WASI_INVAL;
    }
    if ((error = rc_wasi_fd_type(w, f, &type))) {
        return error;
    }
    return type == FILETYPE_REGULAR_FILE ? WASI_SUCCESS : type == FILETYPE_DIRECTORY ? WASI_BADF : WASI_SPIPE;
}

RC_WASI_CALL(fd_allocate) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(FD_ALLOCATE), &f);
    if (error) {
        return error;
    }
    if (!is_range(arg[1], arg[2])) {
        return WASI_INVAL;
    }
    struct rc_call call = {.nr = RC_SYS_fallocate, .arg = {f->sys, 0, (int64_t)arg[1], (int64_t)arg[2]}};
    return rc_wasi_errno(rc_wasi_syscall(w, &call));
}

static uint32_t sync_by(struct rc_wasi *w, uint64_t fd, uint64_t rights, uint32_t nr) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, fd, rights, &f);
    if (error) {
        return error;
    }
    struct rc_call call = {.nr = nr, .arg = {f->sys}};
    return rc_wasi_errno(rc_wasi_syscall(w, &call));
}

RC_WASI_CALL(fd_datasync) {
    return sync_by(w, arg[0], RIGHT(FD_DATASYNC), RC_SYS_fdatasync);
}

RC_WASI_CALL(fd_sync) {
    return sync_by(w, arg[0], RIGHT(FD_SYNC), RC_SYS_fsync);
}
