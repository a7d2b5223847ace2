/* engine/linux/wasi/denied.h: what the policy refuses in a guest, on its way to the container's first process. */
#ifndef DENIED_H
#define DENIED_H

#include <stddef.h>
#include <stdint.h>

enum {
    DENIED_FD = 1001, /* a guest's end of its pipe; in a container another fd keeps the number */
    DENIED_SIZE = 128,
    DENIED_RULES = 64, /* refusals by rules that one guest tells of; those of the allow-list: once per syscall */
    DENIED_MOST = DENIED_RULES + 64,
};
struct denied {
    int32_t nr, error;
    char text[DENIED_SIZE - 8]; /* ends with a NUL or with the array */
};
/* Makes the text printable, whoever wrote it; its length. */
size_t denied_clean(struct denied *record);

#endif
