/* In: the lines behind the pc map, which tools/recompiler/lift/object/ledger.py wrote. Out: the death of a guest at an
 * instruction that was not lifted, which is named. Nothing is read before that.
 *
 *     0x401a05 TAB bytes TAB text TAB reason LF */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/lifted/lifted.h"

static struct {
    const char *lines;
    size_t size;
} ledger;

int ledger_map(int fd, size_t from, size_t size) {
    void *lines = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, (off_t)from);
    if (lines == MAP_FAILED || size < 2 || memcmp(lines, "0x", 2) != 0) {
        return -1;
    }
    ledger.lines = lines;
    ledger.size = size;
    return 0;
}

/* The field behind the tab at *p, as a length; *p goes to its beginning. 0 when the line ends first. */
static int field(const char **p, const char *end) {
    const char *start = memchr(*p, '\t', (size_t)(end - *p));
    const char *stop = start ? memchr(start + 1, '\t', (size_t)(end - start - 1)) : NULL;
    if (!start) {
        return 0;
    }
    *p = start + 1;
    return (int)((stop ? stop : end) - start - 1);
}

static int named(uint64_t pc) {
    char address[24];
    const size_t wanted = (size_t)snprintf(address, sizeof address, "0x%llx\t", (unsigned long long)pc);
    const char *line = ledger.lines, *const end = line + ledger.size;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop ? stop : end;
        if ((size_t)(stop - line) > wanted && memcmp(line, address, wanted) == 0) {
            const char *text = line, *reason;
            field(&text, stop);
            const int length = field(&text, stop);
            reason = text;
            const int rest = field(&reason, stop);
            dprintf(STDERR_FILENO, "recompiler: %s: not lifted: the instruction at 0x%llx, %.*s (%.*s)\n", program_name,
                    (unsigned long long)pc, length, text, rest, reason);
            return 1;
        }
        line = stop + 1;
    }
    return 0;
}

void ledger_die(uint64_t pc) {
    enum { LONGEST = 15 }; /* bytes of an instruction */
    uint8_t byte;
    char bytes[3 * LONGEST + 1] = "";
    if (!named(pc)) {
        for (int i = 0; i < LONGEST && guest_read(&byte, pc + (uint64_t)i, 1) == 0; i++) {
            snprintf(bytes + 3 * i, 4, " %02x", byte);
        }
        dprintf(STDERR_FILENO, "recompiler: %s: not lifted: the instruction at 0x%llx, which begins%s\n", program_name,
                (unsigned long long)pc, bytes);
    }
    signal_die(SIGILL);
}
