/* In: a syscall backend. Out: a WASI guest's fd table over it: numbers, rights, preopens.
 * The guest's fd numbers are this table's own, so fd_renumber needs no dup3(2) of the backend. */
#include "wasi/guest.h"

#include <errno.h>
#include <stdlib.h>

#include "wasi/linux.h"

/* No path may be opened from fds 0, 1, 2: they have no inheriting rights. */
#define RIGHTS_STDIO                                                                                                   \
    (RIGHTS_READ | RIGHTS_WRITE | RIGHT(FD_SEEK) | RIGHT(FD_TELL) | RIGHT(FD_SYNC) | RIGHT(FD_ADVISE) |                \
     RIGHT(FD_FDSTAT_SET_FLAGS) | RIGHT(FD_FILESTAT_GET) | RIGHT(FD_FILESTAT_SET_TIMES) | RIGHT(POLL_FD_READWRITE) |   \
     RIGHT(SOCK_SHUTDOWN) | RIGHT(SOCK_ACCEPT))

static const char *const preopens[] = {"/"};

enum { FIRST_PREOPEN = 3, FD_START = 16 };

static const struct rc_wasi_fd free_fd = {.sys = SYS_FREE};

static int table_grow(struct rc_wasi_state *s, uint32_t count) {
    struct rc_wasi_fd *fd = realloc(s->fd, count * sizeof *fd);
    if (!fd) {
        return -1;
    }
    s->fd = fd;
    for (; s->fd_count < count; s->fd_count++) {
        fd[s->fd_count] = free_fd;
    }
    return 0;
}

int rc_wasi_init(struct rc_wasi *w, struct rc_error *err) {
    struct rc_wasi_state *s = calloc(1, sizeof *s);
    if (!s || table_grow(s, FD_START) < 0) {
        free(s);
        return rc_fail(err, RC_E_NO_MEMORY, 0, "no memory for the guest's fd table");
    }
    for (int fd = 0; fd < FIRST_PREOPEN; fd++) {
        s->fd[fd] = (struct rc_wasi_fd){.sys = fd, .base = RIGHTS_STDIO, .flags = -1, .type = FILETYPE_NOT_ASKED};
    }
    for (size_t i = 0; i < sizeof preopens / sizeof *preopens; i++) {
        s->fd[FIRST_PREOPEN + i] = (struct rc_wasi_fd){
            .sys = SYS_UNOPENED,
            .base = RIGHTS_ALL,
            .inheriting = RIGHTS_ALL,
            .preopen = preopens[i],
            .flags = LX_O_RDONLY | LX_O_DIRECTORY,
            .type = FILETYPE_DIRECTORY,
        };
    }
    w->state = s;
    return 0;
}

void rc_wasi_free(struct rc_wasi *w) {
    if (w->state) {
        free(w->state->fd);
        free(w->state->bounce);
        free(w->state);
        w->state = NULL;
    }
}

static void fd_release(struct rc_wasi_state *s, struct rc_wasi_fd *f) {
    uint32_t n = (uint32_t)(f - s->fd);
    *f = free_fd;
    s->fd_lowest = n < s->fd_lowest ? n : s->fd_lowest;
}

int64_t rc_wasi_syscall(struct rc_wasi *w, struct rc_call *call) {
    call->reply_len = 0;
    int64_t ret = w->sys->call(w->sys, call);
    return ret < -4095 || call->reply_len > call->reply_cap ? -EIO : ret;
}

uint32_t rc_wasi_fd_find(struct rc_wasi *w, uint64_t fd, struct rc_wasi_fd **out) {
    struct rc_wasi_state *s = w->state;
    if (fd >= s->fd_count || s->fd[fd].sys == SYS_FREE) {
        return WASI_BADF;
    }
    *out = &s->fd[fd];
    return WASI_SUCCESS;
}

uint32_t rc_wasi_fd_get(struct rc_wasi *w, uint64_t fd, uint64_t rights, struct rc_wasi_fd **out) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_find(w, fd, &f);
    if (error) {
        return error;
    }
    if ((f->base & rights) != rights) {
        return WASI_NOTCAPABLE;
    }
    if (f->sys == SYS_UNOPENED) {
        struct rc_call call = {.nr = RC_SYS_openat, .str = {f->preopen}};
        call.arg[0] = LX_AT_FDCWD;
        call.arg[2] = f->flags | LX_O_CLOEXEC;
        int64_t ret = rc_wasi_syscall(w, &call);
        if (ret < 0) {
            return rc_wasi_errno(ret);
        }
        f->sys = ret;
    }
    *out = f;
    return WASI_SUCCESS;
}

uint32_t rc_wasi_fd_reserve(struct rc_wasi *w, uint32_t *fd) {
    struct rc_wasi_state *s = w->state;
    uint32_t n = s->fd_lowest;
    while (n < s->fd_count && s->fd[n].sys != SYS_FREE) {
        n++;
    }
    s->fd_lowest = n;
    if (n == s->fd_count) {
        if (n >= RC_WASI_FD_MAX) {
            return WASI_MFILE;
        }
        if (table_grow(s, n * 2) < 0) {
            return WASI_NOMEM;
        }
    }
    *fd = n;
    return WASI_SUCCESS;
}

uint8_t *rc_wasi_bounce(struct rc_wasi *w, uint64_t size) {
    struct rc_wasi_state *s = w->state;
    if (size > s->bounce_size) {
        uint8_t *larger = malloc(size);
        if (!larger) {
            return NULL;
        }
        free(s->bounce);
        s->bounce = larger;
        s->bounce_size = size;
    }
    return s->bounce;
}

RC_WASI_CALL(fd_close) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_find(w, arg[0], &f);
    if (error) {
        return error;
    }
    struct rc_call call = {.nr = RC_SYS_close, .arg = {f->sys}};
    fd_release(w->state, f); /* the number is free even when close(2) reports an error */
    return call.arg[0] == SYS_UNOPENED ? WASI_SUCCESS : rc_wasi_errno(rc_wasi_syscall(w, &call));
}

/* `to` must be open: else two threads of a program could get one number (the witx calls it atomic replacement). */
RC_WASI_CALL(fd_renumber) {
    struct rc_wasi_fd *from, *to;
    uint32_t error = rc_wasi_fd_find(w, arg[0], &from);
    if (error || (error = rc_wasi_fd_find(w, arg[1], &to)) || from == to) {
        return error;
    }
    struct rc_call call = {.nr = RC_SYS_close, .arg = {to->sys}};
    *to = *from;
    fd_release(w->state, from);
    if (call.arg[0] != SYS_UNOPENED) {
        rc_wasi_syscall(w, &call); /* like dup2(2): what closing the old file says is lost */
    }
    return WASI_SUCCESS;
}

RC_WASI_CALL(fd_fdstat_set_rights) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_find(w, arg[0], &f);
    if (error) {
        return error;
    }
    if ((arg[1] & ~f->base) || (arg[2] & ~f->inheriting)) {
        return WASI_NOTCAPABLE; /* rights shrink only */
    }
    f->base = arg[1];
    f->inheriting = arg[2];
    return WASI_SUCCESS;
}

RC_WASI_CALL(fd_prestat_get) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_find(w, arg[0], &f);
    if (error || !f->preopen) {
        return WASI_BADF; /* wasi-libc ends its search for preopens at BADF */
    }
    uint8_t *out = rc_wasi_at(w, arg[1], 8);
    if (!out) {
        return WASI_FAULT;
    }
    rc_store(out, 4, 0); /* preopentype dir, padding */
    rc_store(out + 4, 4, strlen(f->preopen));
    return WASI_SUCCESS;
}

RC_WASI_CALL(fd_prestat_dir_name) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_find(w, arg[0], &f);
    if (error || !f->preopen) {
        return WASI_BADF;
    }
    size_t len = strlen(f->preopen);
    if (arg[2] < len) {
        return WASI_NAMETOOLONG;
    }
    uint8_t *out = rc_wasi_at(w, arg[1], len);
    if (!out) {
        return WASI_FAULT;
    }
    memcpy(out, f->preopen, len);
    return WASI_SUCCESS;
}
