/* In: what the policy refused in a guest. Out: a record in the pipe to its container's first process, which knows by
 * the pipe whose it is. Written and forgotten: a guest is never held up by it, and what a guest may say is bounded on
 * both sides. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "engine/linux/wasi/denied.h"
#include "engine/linux/wasi/linux.h"

_Static_assert(sizeof(struct denied) == DENIED_SIZE, "written whole (PIPE_BUF); 64 of them fit into two pages");

const struct container *sys_container;
const struct sys_row *sys_current;

static void say(const struct denied *record) {
    const int kept = errno;
    ssize_t ignored = write(DENIED_FD, record, sizeof *record);
    (void)ignored;
    errno = kept;
}

/* FNV-1a. */
static uint32_t hash_of(const struct denied *record) {
    uint32_t hash = 2166136261u;
    for (const char *at = record->text; *at; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    }
    return hash;
}

int64_t sys_denied(int64_t error, const char *format, ...) {
    static uint32_t said[DENIED_RULES];
    static unsigned count;
    struct denied record = {.nr = (int32_t)sys_current->nr, .error = (int32_t)-error};
    va_list arguments;
    int at = snprintf(record.text, sizeof record.text, "%s ", sys_current->name);
    va_start(arguments, format);
    vsnprintf(record.text + at, sizeof record.text - (size_t)at, format, arguments);
    va_end(arguments);
    const uint32_t hash = hash_of(&record);
    for (unsigned i = 0; i < count; i++) {
        if (said[i] == hash) {
            return error;
        }
    }
    if (count < DENIED_RULES) {
        said[count++] = hash;
        say(&record);
    }
    return error;
}

int64_t sys_not_allowed(const struct sys_row *row) {
    static uint64_t said[SYS_NUMBERS / 64];
    if (!(said[row->nr / 64] >> row->nr % 64 & 1)) {
        struct denied record = {.nr = (int32_t)row->nr, .error = EPERM};
        said[row->nr / 64] |= UINT64_C(1) << row->nr % 64;
        snprintf(record.text, sizeof record.text, "%s: not in the allow-list", row->name);
        say(&record);
    }
    return -EPERM;
}

size_t denied_clean(struct denied *record) {
    const size_t len = strnlen(record->text, sizeof record->text);
    const int utf8 = rc_json_utf8(record->text, len);
    for (size_t i = 0; i < len; i++) {
        const uint8_t byte = (uint8_t)record->text[i];
        if (byte < ' ' || byte == 0x7f || (byte > 0x7f && !utf8)) {
            record->text[i] = '?';
        }
    }
    return len;
}
