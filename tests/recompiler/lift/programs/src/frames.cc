// C++ exceptions that pass frames of C (qsort, bsearch and a C function with a callback), and longjmp beside them.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <string>

extern "C" {
typedef int (*callback)(void *, int);
__attribute__((noinline)) static int c_frame(callback call, void *data, int depth) {
    volatile char room[100];
    room[depth % 100] = static_cast<char>(depth);
    return depth ? c_frame(call, data, depth - 1) + room[depth % 100] : call(data, depth);
}
static int thrower(void *data, int) {
    if (*static_cast<int *>(data) % 3 == 0)
        throw *static_cast<int *>(data);
    return 5;
}
}
namespace {
int compared, freed;
struct Note {
    ~Note() {
        freed++;
    }
};
int compare(const void *a, const void *b) {
    if (++compared % 20 == 0)
        throw std::string("compared ") + std::to_string(compared);
    return *static_cast<const int *>(a) - *static_cast<const int *>(b);
}
std::jmp_buf back;
int jumper(void *data, int) {
    ++*static_cast<int *>(data);
    std::longjmp(back, *static_cast<int *>(data));
}
} // namespace
int main(int, char **) {
    int sum = 0;
    for (int n = 0; n < 60; n++) {
        Note note;
        try {
            sum += c_frame(thrower, &n, n);
        } catch (int v) {
            sum += v * 1000;
        }
    }
    std::printf("%d %d\n", sum, freed);
    for (int round = 0; round < 4; round++) {
        int values[40];
        for (int n = 0; n < 40; n++)
            values[n] = n * 17 % 40;
        try {
            std::qsort(values, 40, sizeof *values, compare);
        } catch (std::string &text) {
            int total = 0;
            for (int v : values)
                total += v;
            std::printf("%s, %d\n", text.c_str(), total >= 0);
        }
    }
    static int count = 0;
    if (setjmp(back) < 100)
        c_frame(jumper, &count, count);
    std::printf("%d\n", count);
    return 0;
}
