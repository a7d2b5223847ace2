/* In: a module that a validator accepted when it was signed. Out: 0 when wasm3 can be let near it; else E_ENGINE_OPCODE
 * (an instruction wasm3 lacks or reads differently), E_ENGINE_NESTING (its compiler recurses once per block), or
 * E_ENGINE_MODULE (a construct its parser misreads).
 *
 * wasm3 0.5.0 has WebAssembly 1.0, sign extension, saturating conversions, multi-value, memory.copy and memory.fill.
 * It also takes without a word what it does not have: tail calls as plain calls, any table index as table 0. So every
 * body is walked here, instruction by instruction, with the table below. This is no validator: types are not looked at.
 */
#include <string.h>

#include "format/format.h"

/* Blocks within blocks. A level costs wasm3's compiler 250 bytes of C stack (measured) and its interpreter 100 per
 * loop; a C switch over 500 cases is 500 blocks. */
enum { NESTING_MAX = 1000 };

/* Bodies, types and segments: no more than the parser of wasm3 takes. */
enum { LOCALS_MAX = 50000, PARAMETERS_MAX = 1000 };

/* What follows an opcode. */
enum immediate {
    ABSENT, /* wasm3 does not have this opcode */
    NONE,
    BLOCK_TYPE,
    INDEX,
    INDEX_ZERO, /* an index, then table 0 */
    ZERO,       /* memory 0 */
    TABLE,      /* br_table */
    MEMARG,
    S32,
    S64,
    F32,
    F64,
    PREFIX_FC,
};

static const uint8_t immediates[256] = {
    [0x00 ... 0x01] = NONE,       /* unreachable nop */
    [0x02 ... 0x04] = BLOCK_TYPE, /* block loop if */
    [0x05] = NONE,                /* else */
    [0x0b] = NONE,                /* end */
    [0x0c ... 0x0d] = INDEX,      /* br br_if */
    [0x0e] = TABLE,               /* br_table */
    [0x0f] = NONE,                /* return */
    [0x10] = INDEX,               /* call */
    [0x11] = INDEX_ZERO,          /* call_indirect */
    [0x1a ... 0x1b] = NONE,       /* drop select */
    [0x20 ... 0x24] = INDEX,      /* local.get set tee, global.get set */
    [0x28 ... 0x3e] = MEMARG,     /* loads and stores */
    [0x3f ... 0x40] = ZERO,       /* memory.size memory.grow */
    [0x41] = S32,                 /* i32.const */
    [0x42] = S64,                 /* i64.const */
    [0x43] = F32,                 /* f32.const */
    [0x44] = F64,                 /* f64.const */
    [0x45 ... 0xc4] = NONE,       /* numeric, sign extension */
    [0xfc] = PREFIX_FC,
};

enum { OP_BLOCK = 0x02, OP_LOOP = 0x03, OP_IF = 0x04, OP_ELSE = 0x05, OP_END = 0x0b, OP_GLOBAL_GET = 0x23 };
enum { FC_SATURATING_MAX = 7, FC_MEMORY_COPY = 10, FC_MEMORY_FILL = 11 };

/* Reads forward; the first failure sticks and later reads give 0. */
struct reader {
    const uint8_t *module, *at, *end;
    struct rc_error *err;
    int failed;
};

static void refuse(struct reader *r, int code, const uint8_t *at, const char *why) {
    if (!r->failed) {
        r->failed = 1;
        rc_fail(r->err, code, (uint64_t)(at - r->module), "%s at byte %llu of the module", why,
                (unsigned long long)(at - r->module));
    }
}

static uint8_t read_byte(struct reader *r) {
    if (r->failed || r->at == r->end) {
        refuse(r, RC_E_ENGINE_MODULE, r->at, "unexpected end");
        return 0;
    }
    return *r->at++;
}

static void skip(struct reader *r, uint64_t bytes) {
    if (r->failed || bytes > (uint64_t)(r->end - r->at)) {
        refuse(r, RC_E_ENGINE_MODULE, r->at, "unexpected end");
        return;
    }
    r->at += bytes;
}

/* LEB128 of at most `most` bytes; the value matters for u32 alone. */
static uint64_t read_leb(struct reader *r, int most) {
    const uint8_t *start = r->at;
    uint64_t value = 0;
    for (int i = 0; i < most; i++) {
        uint8_t byte = read_byte(r);
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            return value;
        }
    }
    refuse(r, RC_E_ENGINE_MODULE, start, "number too long");
    return 0;
}

static uint32_t read_u32(struct reader *r) {
    const uint8_t *start = r->at;
    uint64_t value = read_leb(r, 5);
    if (value > UINT32_MAX) {
        refuse(r, RC_E_ENGINE_MODULE, start, "number over 32 bits");
        return 0;
    }
    return (uint32_t)value;
}

/* A count of things of at least one byte each: never more than the bytes left. */
static uint32_t read_count(struct reader *r) {
    const uint8_t *start = r->at;
    uint32_t count = read_u32(r);
    if (count > (uint64_t)(r->end - r->at)) {
        refuse(r, RC_E_ENGINE_MODULE, start, "count is more than the bytes that follow");
        return 0;
    }
    return count;
}

static void expect(struct reader *r, uint8_t byte, int code, const char *why) {
    const uint8_t *at = r->at;
    if (read_byte(r) != byte) {
        refuse(r, code, at, why);
    }
}

static int is_number_type(uint8_t type) {
    return type >= 0x7c && type <= 0x7f;
}

static void number_type(struct reader *r) {
    const uint8_t *at = r->at;
    if (!is_number_type(read_byte(r))) {
        refuse(r, RC_E_ENGINE_MODULE, at, "value type is not i32, i64, f32 or f64");
    }
}

static void block_type(struct reader *r, uint32_t types) {
    const uint8_t *at = r->at;
    uint8_t first = r->at < r->end ? *r->at : 0;
    if (first == 0x40 || is_number_type(first)) {
        read_byte(r);
    } else if (read_leb(r, 5) >= types || (!r->failed && (r->at[-1] & 0x40))) { /* a signed number, not negative */
        refuse(r, RC_E_ENGINE_MODULE, at, "block type is unknown");
    }
}

static void immediate(struct reader *r, const uint8_t *op, uint32_t types) {
    switch ((enum immediate)immediates[*op]) {
    case ABSENT:
        refuse(r, RC_E_ENGINE_OPCODE, op, "instruction that wasm3 does not have");
        break;
    case NONE:
        break;
    case BLOCK_TYPE:
        block_type(r, types);
        break;
    case INDEX:
        read_u32(r);
        break;
    case INDEX_ZERO:
        read_u32(r);
        expect(r, 0, RC_E_ENGINE_OPCODE, "call_indirect through a table other than 0");
        break;
    case ZERO:
        expect(r, 0, RC_E_ENGINE_OPCODE, "memory other than 0");
        break;
    case TABLE:
        for (uint32_t n = read_count(r); n > 0 && !r->failed; n--) {
            read_u32(r);
        }
        read_u32(r);
        break;
    case MEMARG:
        if (read_u32(r) > 3) {
            refuse(r, RC_E_ENGINE_OPCODE, op, "alignment over 8 or memory other than 0");
        }
        read_u32(r);
        break;
    case S32:
        read_leb(r, 5);
        break;
    case S64:
        read_leb(r, 10);
        break;
    case F32:
        skip(r, 4);
        break;
    case F64:
        skip(r, 8);
        break;
    case PREFIX_FC: {
        uint8_t sub = read_byte(r);
        if (sub == FC_MEMORY_COPY || sub == FC_MEMORY_FILL) {
            expect(r, 0, RC_E_ENGINE_OPCODE, "memory other than 0");
            if (sub == FC_MEMORY_COPY) {
                expect(r, 0, RC_E_ENGINE_OPCODE, "memory other than 0");
            }
        } else if (sub > FC_SATURATING_MAX) {
            refuse(r, RC_E_ENGINE_OPCODE, op, "instruction that wasm3 does not have");
        }
        break;
    }
    }
}

/* One body: locals, then instructions whose blocks close exactly at its end. */
static void body(struct reader *r, uint32_t types) {
    uint64_t locals = 0;
    for (uint32_t groups = read_count(r); groups > 0 && !r->failed; groups--) {
        locals += read_u32(r);
        number_type(r);
        if (locals > LOCALS_MAX) {
            refuse(r, RC_E_ENGINE_MODULE, r->at, "more than 50000 locals");
        }
    }
    uint8_t open[NESTING_MAX + 2]; /* the opcode that opened each level; level 0 is the function */
    int depth = 0;
    open[0] = OP_BLOCK;
    while (depth >= 0 && !r->failed) {
        const uint8_t *op = r->at;
        read_byte(r);
        if (r->failed) {
            return;
        }
        immediate(r, op, types);
        if (*op >= OP_BLOCK && *op <= OP_IF) {
            open[++depth] = *op;
            if (depth > NESTING_MAX) {
                refuse(r, RC_E_ENGINE_NESTING, op, "more than 1000 blocks within one another");
            }
        } else if (*op == OP_ELSE && open[depth] != OP_IF) {
            refuse(r, RC_E_ENGINE_MODULE, op, "else without if");
        } else if (*op == OP_ELSE) {
            open[depth] = OP_ELSE;
        } else if (*op == OP_END) {
            depth--;
        }
    }
    if (!r->failed && r->at != r->end) {
        refuse(r, RC_E_ENGINE_MODULE, r->at, "bytes after the function's end");
    }
}

/* One constant and an end: wasm3 runs these through its compiler before anything else. */
static void constant_expression(struct reader *r) {
    const uint8_t *op = r->at;
    uint8_t opcode = read_byte(r);
    if ((opcode < 0x41 || opcode > 0x44) && opcode != OP_GLOBAL_GET) {
        refuse(r, RC_E_ENGINE_MODULE, op, "initial value is not one constant");
        return;
    }
    immediate(r, op, 0);
    expect(r, OP_END, RC_E_ENGINE_MODULE, "initial value is not one constant");
}

static void limits(struct reader *r, const char *what) {
    const uint8_t *at = r->at;
    uint8_t flags = read_byte(r);
    if (flags > 1) {
        refuse(r, RC_E_ENGINE_MODULE, at, what);
    }
    read_u32(r);
    if (flags == 1) {
        read_u32(r);
    }
}

static void type_entry(struct reader *r) {
    expect(r, 0x60, RC_E_ENGINE_MODULE, "type is not a function type");
    uint64_t values = 0;
    for (int half = 0; half < 2; half++) { /* parameters, results */
        const uint8_t *at = r->at;
        uint32_t n = read_count(r);
        values += n;
        if (values > PARAMETERS_MAX) {
            refuse(r, RC_E_ENGINE_MODULE, at, "more than 1000 parameters and results");
        }
        for (; n > 0 && !r->failed; n--) {
            number_type(r);
        }
    }
}

static void table_entry(struct reader *r) {
    expect(r, 0x70, RC_E_ENGINE_MODULE, "table is not of functions");
    limits(r, "table limits are of an unknown kind");
}

static void memory_entry(struct reader *r) {
    limits(r, "memory is shared or 64-bit");
}

static void global_entry(struct reader *r) {
    number_type(r);
    read_byte(r);
    constant_expression(r);
}

/* To wasm3 a name ends at its first NUL: "_start\0x" would be found in the place of "_start". */
static void export_entry(struct reader *r) {
    const uint8_t *at = r->at;
    uint32_t len = read_count(r);
    if (!r->failed && memchr(r->at, 0, len) != NULL) {
        refuse(r, RC_E_ENGINE_MODULE, at, "export with a NUL in its name");
    }
    skip(r, len);
    read_byte(r); /* kind */
    read_u32(r);
}

static void element_entry(struct reader *r) {
    expect(r, 0, RC_E_ENGINE_MODULE, "element segment is not an active one of table 0");
    constant_expression(r);
    for (uint32_t n = read_count(r); n > 0 && !r->failed; n--) {
        read_u32(r);
    }
}

static void data_entry(struct reader *r) {
    expect(r, 0, RC_E_ENGINE_MODULE, "data segment is not an active one of memory 0");
    constant_expression(r);
    skip(r, read_u32(r));
}

/* Sections whose entries are looked at; most: how many of them wasm3 handles rightly. */
enum { TYPES = 1, CODE = 10 };
static const struct {
    void (*entry)(struct reader *r);
    uint32_t most;
} sections[] = {
    [TYPES] = {type_entry, 100000}, [4] = {table_entry, 1},      [5] = {memory_entry, 1},
    [6] = {global_entry, 100000},   [7] = {export_entry, 10000}, [9] = {element_entry, 100000},
    [CODE] = {NULL, 100000},        [11] = {data_entry, 100000}, [12] = {NULL, UINT32_MAX},
};

static void section(struct reader *r, uint8_t id, uint32_t *types) {
    if ((id != CODE && sections[id].entry == NULL)) {
        return; /* imports and functions: rc_wasm_check; names: nothing runs by them */
    }
    const uint8_t *start = r->at;
    uint32_t count = read_count(r);
    if (count > sections[id].most) {
        refuse(r, RC_E_ENGINE_MODULE, start, "section has more entries than wasm3 handles");
    }
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        if (id == CODE) {
            uint32_t size = read_u32(r);
            struct reader one = *r;
            skip(r, size);
            one.end = r->at;
            if (!r->failed) {
                body(&one, *types);
                r->failed = one.failed;
            }
        } else {
            sections[id].entry(r);
        }
    }
    if (id == TYPES) {
        *types = count;
    }
    if (!r->failed && r->at != r->end) {
        refuse(r, RC_E_ENGINE_MODULE, r->at, "bytes after the section's last entry");
    }
}

int rc_wasm_check_engine(const uint8_t *wasm, size_t len, struct rc_error *err) {
    struct reader r = {.module = wasm, .at = wasm, .end = wasm + len, .err = err};
    uint32_t types = 0;
    if (len > UINT32_MAX) {
        return rc_fail(err, RC_E_ENGINE_MODULE, 0, "module is over 4 GiB"); /* wasm3's length is a u32 */
    }
    skip(&r, 8);
    while (!r.failed && r.at != r.end) {
        const uint8_t *start = r.at;
        uint8_t id = read_byte(&r);
        uint32_t size = read_u32(&r);
        if (id >= sizeof sections / sizeof *sections) {
            refuse(&r, RC_E_ENGINE_MODULE, start, "section is unknown");
        }
        struct reader one = r;
        skip(&r, size);
        one.end = r.at;
        if (!r.failed) {
            section(&one, id, &types);
            r.failed = one.failed;
        }
    }
    return r.failed ? -1 : 0;
}
