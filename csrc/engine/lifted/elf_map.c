/* In: an x86-64 ELF file. Out: its segments in the guest's memory, copy-on-write from the file, as execve(2) maps them
 * but never executable. The lifter has read the same file; here only the program headers are, and nothing in them is
 * believed. elf(5). */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/lifted/lifted.h"

enum { HEADERS_MAX = 128 };

static struct {
    uint64_t from, to;
} code[HEADERS_MAX];
static int code_count;

int elf_is_code(uint64_t address) {
    for (int i = 0; i < code_count; i++) {
        if (address >= code[i].from && address < code[i].to) {
            return 1;
        }
    }
    return 0;
}

static uint64_t down(uint64_t address) {
    return address & ~(uint64_t)(PAGE - 1);
}

static uint64_t up(uint64_t address) {
    return down(address + PAGE - 1);
}

static int protection(uint32_t flags) {
    return (flags & (PF_R | PF_X) ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE | PROT_READ : 0);
}

static int map_segment(int fd, const Elf64_Phdr *h, uint64_t base, uint64_t file_size, struct rc_error *err) {
    const uint64_t first = down(base + h->p_vaddr), lead = (base + h->p_vaddr) - first;
    if (h->p_memsz == 0) {
        return 0;
    }
    if (h->p_vaddr >= GUEST_SPACE || h->p_memsz > GUEST_SPACE || h->p_filesz > h->p_memsz || h->p_offset > file_size ||
        h->p_filesz > file_size - h->p_offset || h->p_offset % PAGE != lead ||
        !space_is_valid(first, up(lead + h->p_memsz))) {
        return rc_fail(err, RC_E_LIFT_ELF, h->p_offset, "a segment lies outside the file or the guest's 4 GiB");
    }
    const uint64_t in_file = up(lead + h->p_filesz), in_memory = up(lead + h->p_memsz);
    const int prot = protection(h->p_flags);
    if (!space_is_free(first, in_memory)) {
        return rc_fail(err, RC_E_LIFT_ELF, h->p_offset, "two segments overlap");
    }
    int failed = 0;
    if (h->p_filesz) {
        failed = space_map(first, in_file, prot, MAP_PRIVATE, fd, (int64_t)(h->p_offset - lead));
    }
    const uint64_t from = h->p_filesz ? in_file : 0;
    if (!failed && in_memory > from) {
        failed = space_map(first + from, in_memory - from, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (failed) {
        return rc_fail(err, RC_E_NO_MEMORY, h->p_offset, "cannot map a segment: %s", strerror(-failed));
    }
    if (h->p_filesz && h->p_memsz > h->p_filesz && (h->p_flags & PF_W)) { /* the file's bytes behind the segment's */
        memset(space + first + lead + h->p_filesz, 0, in_file - lead - h->p_filesz);
    }
    return 0;
}

static int map_file(struct program *p, int fd, uint64_t base, struct rc_error *err) {
    Elf64_Ehdr e;
    Elf64_Phdr h[HEADERS_MAX];
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || pread(fd, &e, sizeof e, 0) != sizeof e ||
        memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 || e.e_ident[EI_CLASS] != ELFCLASS64 ||
        e.e_ident[EI_DATA] != ELFDATA2LSB || e.e_machine != EM_X86_64 || (e.e_type != ET_EXEC && e.e_type != ET_DYN)) {
        return rc_fail(err, RC_E_LIFT_ELF, 0, "not an x86-64 Linux program");
    }
    const size_t size = e.e_phnum * sizeof *h;
    if (e.e_phentsize != sizeof *h || e.e_phnum == 0 || e.e_phnum > HEADERS_MAX ||
        pread(fd, h, size, (off_t)e.e_phoff) != (ssize_t)size) {
        return rc_fail(err, RC_E_LIFT_ELF, e.e_phoff, "no program headers, or more than %d", HEADERS_MAX);
    }
    p->base = e.e_type == ET_DYN ? base : 0;
    p->entry = p->base + e.e_entry;
    p->phent = e.e_phentsize;
    p->phnum = e.e_phnum;
    for (int i = 0; i < e.e_phnum; i++) {
        if (h[i].p_type == PT_INTERP) {
            return rc_fail(err, RC_E_LIFT_ELF, h[i].p_offset, "a dynamically linked program: only static ones run yet");
        }
        if (h[i].p_type != PT_LOAD) {
            continue;
        }
        if (map_segment(fd, &h[i], p->base, (uint64_t)st.st_size, err) < 0) {
            return -1;
        }
        if (h[i].p_flags & PF_X) {
            code[code_count].from = p->base + h[i].p_vaddr;
            code[code_count++].to = p->base + h[i].p_vaddr + h[i].p_filesz;
        }
        const uint64_t end = up(p->base + h[i].p_vaddr + h[i].p_memsz);
        p->end = end > p->end ? end : p->end;
        if (h[i].p_offset <= e.e_phoff && e.e_phoff - h[i].p_offset < h[i].p_filesz) {
            p->phdr = p->base + h[i].p_vaddr + (e.e_phoff - h[i].p_offset);
        }
    }
    return p->end ? 0 : rc_fail(err, RC_E_LIFT_ELF, 0, "a program without segments");
}

int elf_map(struct program *p, const char *path, uint64_t base, struct rc_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return rc_fail(err, RC_E_OPEN, 0, "%.100s: %s", path, strerror(errno));
    }
    *p = (struct program){0};
    int result = map_file(p, fd, base, err);
    close(fd);
    return result;
}
