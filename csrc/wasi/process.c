/* In: the process as its guest may know it. Out: arguments, environment, clocks, random bytes, exit and signals. */
#include "wasi/guest.h"

/* ---- args_*, environ_*: two lists of strings with the same two questions */

static uint32_t list_sizes(struct rc_wasi *w, int count, char **list, const uint64_t *arg) {
    uint8_t *out_count = rc_wasi_at(w, arg[0], 4), *out_size = rc_wasi_at(w, arg[1], 4);
    uint64_t size = 0;
    for (int i = 0; i < count; i++) {
        size += strlen(list[i]) + 1;
    }
    if (!out_count || !out_size) {
        return WASI_FAULT;
    }
    if (size > UINT32_MAX) {
        return WASI_OVERFLOW;
    }
    rc_store(out_count, 4, (uint64_t)count);
    rc_store(out_size, 4, size);
    return WASI_SUCCESS;
}

static uint32_t list_get(struct rc_wasi *w, int count, char **list, const uint64_t *arg) {
    uint64_t text = arg[1];
    uint8_t *pointers = rc_wasi_at(w, arg[0], 4 * (uint64_t)count);
    if (!pointers) {
        return WASI_FAULT;
    }
    for (int i = 0; i < count; i++) {
        size_t size = strlen(list[i]) + 1;
        uint8_t *out = rc_wasi_at(w, text, size);
        if (!out || text > UINT32_MAX) {
            return WASI_FAULT;
        }
        memcpy(out, list[i], size);
        rc_store(pointers + 4 * i, 4, text);
        text += size;
    }
    return WASI_SUCCESS;
}

RC_WASI_CALL(args_get) {
    return list_get(w, w->argc, w->argv, arg);
}

RC_WASI_CALL(args_sizes_get) {
    return list_sizes(w, w->argc, w->argv, arg);
}

RC_WASI_CALL(environ_get) {
    return list_get(w, w->envc, w->envp, arg);
}

RC_WASI_CALL(environ_sizes_get) {
    return list_sizes(w, w->envc, w->envp, arg);
}

/* ---- clocks: WASI's four ids are Linux's first four */

uint64_t rc_wasi_ns(const uint8_t time[16]) {
    uint64_t sec = rc_load(time, 8), nsec = rc_load(time + 8, 8);
    if (sec > INT64_MAX) {
        return 0; /* before 1970 */
    }
    return nsec > 999999999 || sec > (UINT64_MAX - nsec) / 1000000000 ? UINT64_MAX : sec * 1000000000 + nsec;
}

static uint32_t clock_ask(struct rc_wasi *w, uint32_t nr, uint64_t clock, uint64_t *ns) {
    uint8_t time[16];
    struct rc_call call = {.nr = nr, .reply = time, .reply_cap = sizeof time};
    if (clock > 3) {
        return WASI_INVAL;
    }
    call.arg[0] = (int64_t)clock;
    int64_t ret = rc_wasi_syscall(w, &call);
    if (ret < 0 || call.reply_len != sizeof time) {
        return ret < 0 ? rc_wasi_errno(ret) : WASI_IO;
    }
    *ns = rc_wasi_ns(time);
    return WASI_SUCCESS;
}

uint32_t rc_wasi_now(struct rc_wasi *w, uint64_t clock, uint64_t *ns) {
    return clock_ask(w, RC_SYS_clock_gettime, clock, ns);
}

static uint32_t clock_get(struct rc_wasi *w, uint32_t nr, uint64_t clock, uint64_t pointer) {
    uint8_t *out = rc_wasi_at(w, pointer, 8);
    uint64_t ns = 0;
    if (!out) {
        return WASI_FAULT;
    }
    uint32_t error = clock_ask(w, nr, clock, &ns);
    if (!error) {
        rc_store(out, 8, ns);
    }
    return error;
}

RC_WASI_CALL(clock_res_get) {
    return clock_get(w, RC_SYS_clock_getres, arg[0], arg[1]);
}

RC_WASI_CALL(clock_time_get) {
    return clock_get(w, RC_SYS_clock_gettime, arg[0], arg[2]); /* arg[1], the precision asked for, is always met */
}

RC_WASI_CALL(random_get) {
    uint8_t *out = rc_wasi_at(w, arg[0], arg[1]);
    if (!out) {
        return WASI_FAULT;
    }
    for (uint64_t done = 0; done < arg[1];) {
        uint64_t chunk = arg[1] - done < RC_SYS_DATA_MAX ? arg[1] - done : RC_SYS_DATA_MAX;
        struct rc_call call = {.nr = RC_SYS_getrandom, .reply = out + done, .reply_cap = chunk};
        call.arg[0] = (int64_t)chunk;
        int64_t ret = rc_wasi_syscall(w, &call);
        if (ret <= 0 || (uint64_t)ret != call.reply_len) {
            return ret < 0 ? rc_wasi_errno(ret) : WASI_IO;
        }
        done += (uint64_t)ret;
    }
    return WASI_SUCCESS;
}

/* ---- exit, signals, scheduling */

RC_WASI_CALL(proc_exit) {
    w->exited = 1;
    w->exit_code = (int)(uint32_t)arg[0];
    return WASI_SUCCESS;
}

RC_WASI_CALL(proc_raise) {
    if (arg[0] > 30) {
        return WASI_INVAL;
    }
    struct rc_call self = {.nr = RC_SYS_getpid};
    int64_t pid = rc_wasi_syscall(w, &self);
    if (pid <= 0) {
        return pid < 0 ? rc_wasi_errno(pid) : WASI_IO; /* kill(2) of 0 would be the whole group */
    }
    /* WASI's numbers are Linux's without SIGSTKFLT (16). */
    struct rc_call call = {.nr = RC_SYS_kill, .arg = {pid, (int64_t)(arg[0] + (arg[0] > 15))}};
    return rc_wasi_errno(rc_wasi_syscall(w, &call));
}

RC_WASI_CALL(sched_yield) {
    (void)arg;
    struct rc_call call = {.nr = RC_SYS_sched_yield};
    return rc_wasi_errno(rc_wasi_syscall(w, &call));
}
