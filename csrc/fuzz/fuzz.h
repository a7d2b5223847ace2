/* fuzz.h: what a fuzz target offers to driver.c (or to libFuzzer, which needs the first function only). */
#ifndef RC_FUZZ_H
#define RC_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input. A finding is a crash, a sanitizer's report, or abort(). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Words of the format, NULs included; {0} at the end: mutations write them. A target may have none. */
struct fuzz_word {
    const char *bytes;
    size_t size;
};
#define WORD(literal) {literal, sizeof literal - 1}
extern const struct fuzz_word fuzz_words[] __attribute__((weak));

#endif
