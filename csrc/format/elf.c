/* In: the first 64 bytes of the STUB section. Out: whether they are the header of an ELF this project makes stubs of.
 */
#include <string.h>

#include "format/trailer.h"

/* elf(5), Elf64_Ehdr */
int rc_elf_check(const uint8_t *head, uint64_t size, struct rc_error *err) {
    enum { CLASS64 = 2, LITTLE = 1, ET_EXEC = 2, ET_DYN = 3, EM_X86_64 = 62, EM_AARCH64 = 183 };
    const char *wrong = NULL;

    if (size < 64) {
        wrong = "shorter than an ELF header";
    } else if (memcmp(head, "\177ELF", 4)) {
        wrong = "not an ELF file";
    } else if (head[4] != CLASS64 || head[5] != LITTLE) {
        wrong = "not a 64-bit little-endian ELF file";
    } else if (rc_u16(head + 16) != ET_EXEC && rc_u16(head + 16) != ET_DYN) {
        wrong = "not an executable ELF file";
    } else if (rc_u16(head + 18) != EM_X86_64 && rc_u16(head + 18) != EM_AARCH64) {
        wrong = "an ELF file for neither x86-64 nor aarch64";
    }
    return wrong ? rc_fail(err, RC_E_STUB_ELF, 0, "section STUB is %s", wrong) : 0;
}
