/* The ELF note by which a file tells which stub it begins with (`readelf -n`, `recompiler inspect`). It says what the
 * file claims; only the digest of the signed STUB section proves it. */
#include <elf.h>

#ifdef RECOMPILER_DEVELOPMENT
#define KIND "development" /* takes the key store's path from the environment */
#else
#define KIND "production"
#endif

#define OWNER "recompiler"
#define TEXT  "stub " RECOMPILER_VERSION " " KIND " " RECOMPILER_TARGET

/* Name and description are padded to 4 bytes each: elf(5). */
#define PADDED(text) ((sizeof text + 3) / 4 * 4)

__attribute__((section(".note.recompiler"), used, aligned(4))) static const struct {
    Elf64_Nhdr header;
    char owner[PADDED(OWNER)];
    char text[PADDED(TEXT)];
} note = {{sizeof OWNER, sizeof TEXT, 1}, OWNER, TEXT};
