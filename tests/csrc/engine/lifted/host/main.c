/* In: the name of a part, or `die HOW`. Out: what Linux answered to it. */
#include "check.h"

int main(int argc, char *argv[]) {
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"files", files},       {"memory", memory}, {"sockets", sockets}, {"waiting", waiting},
                 {"handlers", handlers}, {"faults", faults}, {"process", process}, {"pointers", pointers},
                 {"threads", threads},   {"costs", costs}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && strcmp(argv[1], "die") == 0) {
        return die(argv[2]);
    }
    for (size_t i = 0; argc == 2 && i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(argv[1], parts[i].name) == 0) {
            parts[i].run();
            return 0;
        }
    }
    return 2;
}
