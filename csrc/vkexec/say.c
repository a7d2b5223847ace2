/* In: an error, or a denial. Out: one line on fd 2, and the status to leave with. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vkexec/vkexec.h"

int complain(const struct rc_error *err) {
    fprintf(stderr, "vkexec: %s: %s\n", rc_code_name(err->code), err->message);
    return EXIT_REFUSED;
}

int denied(const struct answer *answer, const char *argv0) {
    fprintf(stderr, "vkexec: %s: %s (%s)\n", argv0, answer->reason,
            answer->error > 0 ? strerror((int)answer->error) : "denied");
    return answer->error == ENOENT ? 127 : 126;
}
