/* format/trailer.h: the trailer of a file, taken apart (stages 1 to 3) and its signature records judged (stages 4 and
 * 5).
 */
#ifndef RC_TRAILER_H
#define RC_TRAILER_H

#include "base/source.h"
#include "format/format.h"

enum { RC_STUB = 1, RC_WASM, RC_MANIFEST, RC_AOT };
enum { RC_EXECUTABLE = 1, RC_DETACHED };

#define RC_FOOTER_SIZE    32
#define RC_STATEMENT_SIZE 384
#define RC_RECORD_SIZE    112
#define RC_RECORDS_MAX    8

struct rc_trailer {
    uint64_t file_size, statement_off;
    uint32_t sig_count;
    struct rc_statement statement;
    uint8_t records[RC_RECORDS_MAX * RC_RECORD_SIZE]; /* as they stand in the file */
};

/* Stages 1, 2 and 3. Only t->statement is left for a caller to believe after stage 5. 0 or -1. */
int rc_trailer_read(const struct rc_source *source, struct rc_trailer *t, struct rc_error *err);

/* Stage 4: the form of the signature records. 0 or -1. */
int rc_records_check(const struct rc_trailer *t, struct rc_error *err);

/* Stage 5: signatures and trust. *verified gets bit i for the store's key i. 0 or -1. */
int rc_records_trust(const struct rc_trailer *t, const struct rc_keystore *store, uint64_t now, uint64_t *verified,
                     struct rc_error *err);

const char *rc_section_name(uint32_t type); /* "WASM" */

/* Stage 8: E_STUB_ELF from the first 64 bytes of section STUB; E_WASM_HEADER from the first 8 of WASM. 0 or -1. */
int rc_elf_check(const uint8_t *head, uint64_t size, struct rc_error *err);
int rc_wasm_header(const uint8_t *wasm, uint64_t len, struct rc_error *err);

/* rc_wasm_check over the len bytes at offset, of which it reads only what it looks at. 0 or -1. */
int rc_wasm_check_source(const struct rc_source *source, uint64_t offset, uint64_t len, struct rc_error *err);

#endif
