/* In: a pc where the guest is to go on and that is no entry. Out: what the CPU would do there, where that can be known:
 * data is no code; a syscall is made again behind its signal's handler; an instruction that faulted, to which the
 * handler returned with nothing changed, faults again; NOP, CALL, JMP and RET are made here (Go's runtime goes to such
 * places: goexit + 1, a function's last calls after a panic). All else was not lifted, and says so. */
#include <string.h>

#include "engine/kind/lifted/kind.h"

enum { LONGEST = 15 }; /* bytes of an instruction */

static __thread struct {
    int signal, code;
    uint64_t address, pc;
    struct registers registers;
} faulted;

void elsewhere_remember(int signal, int code, uint64_t address, uint64_t pc) {
    faulted.signal = signal;
    faulted.code = code;
    faulted.address = address;
    faulted.pc = pc;
    registers_load(&faulted.registers);
}

/* DIV, IDIV r: F6 or F7 behind prefixes, the operand no memory. SDM vol. 2, 3-322 and 3-482. */
static int divides_by_register(const uint8_t *bytes) {
    const uint8_t *end = bytes + LONGEST - 1;
    while (bytes < end && (*bytes == 0x66 || (*bytes & 0xf0) == 0x40)) {
        bytes++;
    }
    return (bytes[0] & 0xfe) == 0xf6 && bytes[1] >= 0xc0;
}

static int faults_again(uint64_t pc, const uint8_t *bytes) {
    struct registers now;
    if (pc != faulted.pc || !faulted.signal) {
        return 0;
    }
    registers_load(&now);
    return faulted.signal != SIGFPE ||
           (divides_by_register(bytes) && memcmp(now.gpr, faulted.registers.gpr, sizeof now.gpr) == 0);
}

static uint64_t syscall_again(uint64_t pc) {
    static const uint8_t order[6] = {RDI, RSI, RDX, R10, R8, R9};
    struct call call = {.nr = (uint32_t)register_get(RAX), .pc = pc};
    for (int i = 0; i < 6; i++) {
        call.arg[i] = register_get(order[i]);
    }
    register_set(RAX, (uint64_t)syscall_perform(&call));
    return call.pc;
}

static uint64_t bad_stack(uint64_t pc, uint64_t address) {
    return signal_force(SIGSEGV, space_is_mapped(address, 1) ? SEGV_ACCERR : SEGV_MAPERR, address, pc, 1);
}

static uint64_t call(uint64_t pc, uint64_t target, uint64_t behind) {
    const uint64_t rsp = register_get(RSP) - 8;
    if (guest_write(rsp, &behind, sizeof behind) < 0) {
        return bad_stack(pc, rsp);
    }
    register_set(RSP, rsp);
    return target;
}

static uint64_t ret(uint64_t pc) {
    const uint64_t rsp = register_get(RSP);
    uint64_t target;
    if (guest_read(&target, rsp, sizeof target) < 0) {
        return bad_stack(pc, rsp);
    }
    register_set(RSP, rsp + 8);
    return target;
}

/* What only moves control; 0 for any other instruction. SDM vol. 2, CALL, JMP, NOP, RET. */
static uint64_t moved(uint64_t pc, const uint8_t *bytes) {
    enum { NEAR = 5, SHORT = 2 };
    int32_t near;
    memcpy(&near, bytes + 1, sizeof near);
    switch (bytes[0]) {
    case 0x90:
        return pc + 1;
    case 0xe8:
        return call(pc, pc + NEAR + (uint64_t)near, pc + NEAR);
    case 0xe9:
        return pc + NEAR + (uint64_t)near;
    case 0xeb:
        return pc + SHORT + (uint64_t)(int8_t)bytes[1];
    case 0xc3:
        return ret(pc);
    default:
        return 0;
    }
}

uint64_t elsewhere(uint64_t pc) {
    static const uint8_t syscall_instruction[2] = {0x0f, 0x05};
    uint8_t bytes[LONGEST + 1] = {0};
    if (!elf_is_code(pc)) {
        const int code = pc < GUEST_SPACE && space_is_mapped(pc, 1) ? SEGV_ACCERR : SEGV_MAPERR;
        return signal_force(SIGSEGV, code, pc, pc, 1);
    }
    for (int i = 0; i < LONGEST && guest_read(bytes + i, pc + (uint64_t)i, 1) == 0; i++) {
    }
    if (memcmp(bytes, syscall_instruction, sizeof syscall_instruction) == 0) {
        return syscall_again(pc + sizeof syscall_instruction);
    }
    if (faults_again(pc, bytes)) {
        return signal_force(faulted.signal, faulted.code, faulted.address, pc, 1);
    }
    const uint64_t to = moved(pc, bytes);
    if (to) {
        return to;
    }
    ledger_die(pc);
}
