/* Every error code: X(name, exit code of the command line). docs/format.md gives the order of the checks.
 * The Python table is tools/recompiler/errors.py; a test holds the two equal. */
/* clang-format off */
#define RC_CODES(X)                                                                               \
    /* stage 0: open */                                                                           \
    X(E_OPEN, 3) X(E_NOT_REGULAR, 3) X(E_TOO_SMALL, 10) X(E_TOO_LARGE, 11) X(E_READ, 3)           \
    /* stage 1: footer */                                                                         \
    X(E_NO_TRAILER, 10) X(E_TRAILING_DATA, 11) X(E_TRAILER_VERSION, 11) X(E_SIG_COUNT, 11)        \
    X(E_STATEMENT_SIZE, 11) X(E_TRUNCATED, 11) X(E_STATEMENT_OFFSET, 11) X(E_ALIGN, 11)           \
    /* stage 2: header */                                                                         \
    X(E_DOMAIN, 11) X(E_VERSION, 11) X(E_KIND, 11) X(E_SECTION_COUNT, 11) X(E_SIGNERS, 11)        \
    X(E_TIME, 11) X(E_SUBJECT, 11)                                                                \
    /* stage 3: sections */                                                                       \
    X(E_SECTION_TYPE, 11) X(E_RESERVED, 11) X(E_LAYOUT, 11) X(E_SECTION_SIZE, 11) X(E_PADDING, 11) \
    /* stage 4: records */                                                                        \
    X(E_UNSIGNED, 16) X(E_SIG_ALG, 11) X(E_SIG_ORDER, 11)                                         \
    /* stage 5: keys */                                                                           \
    X(E_KEYS_OPEN, 15) X(E_KEYS_UNSAFE, 15) X(E_KEYS_TOO_LARGE, 15) X(E_KEYS_CHANGED, 15)         \
    X(E_KEYS_SYNTAX, 15) X(E_KEYS_SCHEMA, 15) X(E_KEYS_EMPTY, 15) X(E_KEYS_POINT, 15)             \
    X(E_KEYS_ID, 15) X(E_KEYS_DUPLICATE, 15) X(E_KEYS_THRESHOLD, 15) X(E_KEYS_ROLE, 15)           \
    X(E_SIG_INVALID, 12) X(E_KEY_REVOKED, 13) X(E_KEY_EXPIRED, 13) X(E_KEY_NOT_YET, 13)           \
    X(E_KEY_ROLE, 13) X(E_KEY_UNKNOWN, 13) X(E_THRESHOLD, 13)                                     \
    /* stage 6: policy of the statement */                                                        \
    X(E_EXPIRED, 14) X(E_CLOCK, 14) X(E_ROLLBACK, 14) X(E_SUBJECT_DENIED, 14)                     \
    /* stage 7: content */                                                                        \
    X(E_DIGEST, 12) X(E_CHANGED, 3)                                                               \
    /* stage 8: meaning */                                                                        \
    X(E_STUB_ELF, 11) X(E_WASM_HEADER, 11) X(E_WASM_SECTION, 11) X(E_WASM_IMPORT, 11)             \
    X(E_WASM_EXPORT, 11) X(E_MANIFEST_SYNTAX, 11) X(E_MANIFEST_SCHEMA, 11) X(E_MANIFEST_PATH, 11) \
    X(E_MANIFEST_NAME, 11) X(E_MANIFEST_WASM, 11) X(E_AOT_MANIFEST, 11) X(E_STUB_EXTENT, 11)      \
    /* stage 9: run time */                                                                       \
    X(E_PROCESS_SECURE, 14) X(E_PROCESS_FDS, 3) X(E_SOCK_ID, 2) X(E_SOCK_PATH, 3)                 \
    X(E_SOCK_CONNECT, 3) X(E_SOCK_PEER, 14) X(E_SOCK_TIMEOUT, 3) X(E_RPC_FRAME, 3)                \
    X(E_RPC_JSON, 3) X(E_RPC_REPLY, 3) X(E_RPC_FDS, 3) X(E_RPC_CLOSED, 3) X(E_RPC_DENIED, 14)     \
    X(E_SANDBOX, 3) X(E_ENGINE_MODULE, 11) X(E_ENGINE_OPCODE, 11) X(E_ENGINE_NESTING, 11)         \
    X(E_ENGINE_MEMORY, 3) X(E_ENGINE_LINK, 11) X(E_ENGINE_TRAP, 3)                                \
    /* the tools themselves */                                                                    \
    X(E_USAGE, 2) X(E_OUTPUT, 3) X(E_WASM_INVALID, 11) X(E_KEY_FILE, 3) X(E_IMAGE, 11)            \
    X(E_COMPILER, 3) X(E_AOT_MISSING, 3) X(E_AOT_FOREIGN, 11) X(E_EXEC_INTERPRETER, 11)           \
    X(E_ROUTES, 12) X(E_AUDIT, 12) X(E_NO_MEMORY, 3) X(E_DISAGREE, 3) X(E_INTERNAL, 3)            \
    X(E_LIFT_ELF, 11)
/* clang-format on */
