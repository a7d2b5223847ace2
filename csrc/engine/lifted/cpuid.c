/* In: a leaf. Out: what CPUID answers in a guest: an x86-64-v1 processor, the same on every machine. The C library then
 * chooses its SSE2 routines, which is what the lifter lifts. SDM vol. 2, CPUID; AMD APM vol. 3, appendix E. */
#include <string.h>

#include "engine/lifted/lifted.h"

/* FPU VME DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2 */
enum { FEATURES = 0x078bfbff };
static const char brand[48] = "recompiler x86-64-v1";

static const struct {
    uint32_t leaf, out[4]; /* eax ebx ecx edx */
} leaves[] = {
    {0x00000000, {1, 0x68747541, 0x444d4163, 0x69746e65}},          /* "AuthenticAMD": the first of this level */
    {0x00000001, {0x00000f4a, 0x00000800, 0, FEATURES}},            /* family 15; lines of 64 bytes */
    {0x80000000, {0x80000008, 0x68747541, 0x444d4163, 0x69746e65}}, /* */
    {0x80000001, {0x00000f4a, 0, 0, 0x2191abff}},                   /* SYSCALL NX LM, and leaf 1's again */
    {0x80000005, {0xff08ff08, 0xff20ff20, 0x40020140, 0x40020140}}, /* L1: 64 KiB, 2 ways */
    {0x80000006, {0, 0x42004200, 0x02008140, 0}},                   /* L2: 512 KiB, 16 ways */
    {0x80000008, {0x00003028, 0, 0, 0}},                            /* 48 bits virtual, 40 physical */
};

void cpuid_of(uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
    (void)subleaf;
    memset(out, 0, 4 * sizeof *out);
    if (leaf >= 0x80000002 && leaf <= 0x80000004) {
        memcpy(out, brand + (leaf - 0x80000002) * 16, 16);
    }
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        if (leaves[i].leaf == leaf) {
            memcpy(out, leaves[i].out, sizeof leaves[i].out);
        }
    }
}
