// Exceptions: through many frames, with destructors on the way, rethrown, nested, by base, of any type, in
// constructors, kept by exception_ptr, from functions that are called through pointers; and one that nobody catches.
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace {
int alive;
struct Guard {
    int n;
    explicit Guard(int n) : n(n) {
        alive++;
    }
    ~Guard() {
        alive--;
    }
};
struct Base : std::exception {
    int code;
    explicit Base(int code) : code(code) {
    }
    const char *what() const noexcept override {
        return "base";
    }
};
struct Left : virtual Base {
    Left() : Base(1) {
    }
};
struct Right : virtual Base {
    Right() : Base(2) {
    }
};
struct Bottom : Left, Right {
    double weight = 2.5;
    Bottom() : Base(3) {
    }
    const char *what() const noexcept override {
        return "bottom";
    }
};
__attribute__((noinline)) long dive(int n, int kind) {
    Guard guard(n);
    std::string text(static_cast<size_t>(n) % 40, 'x');
    if (n == 0)
        switch (kind) {
        case 0:
            throw 42;
        case 1:
            throw Bottom();
        case 2:
            throw std::runtime_error("a runtime error of some length that is on the heap");
        case 3:
            throw "a string";
        case 4:
            throw 2.75L;
        case 5:
            throw std::vector<int>(100, 7);
        case 6:
            throw std::unique_ptr<Guard>(new Guard(-1));
        default:
            return 1;
        }
    return dive(n - 1, kind) + static_cast<long>(text.size()) + guard.n;
}
std::string caught(int n, int kind) {
    char out[200];
    try {
        std::snprintf(out, sizeof out, "returned %ld", dive(n, kind));
    } catch (int v) {
        std::snprintf(out, sizeof out, "int %d", v);
    } catch (Right &r) {
        auto *bottom = dynamic_cast<Bottom *>(&r);
        std::snprintf(out, sizeof out, "right %d %s %g", r.code, r.what(), bottom ? bottom->weight : 0);
    } catch (const std::exception &e) {
        std::snprintf(out, sizeof out, "exception %s", e.what());
    } catch (const char *text) {
        std::snprintf(out, sizeof out, "text %s", text);
    } catch (std::vector<int> &v) {
        std::snprintf(out, sizeof out, "vector %zu %d", v.size(), v[99]);
    } catch (std::unique_ptr<Guard> &p) {
        std::snprintf(out, sizeof out, "pointer %d", p->n);
    } catch (...) {
        std::snprintf(out, sizeof out, "something");
    }
    return out;
}
struct Half {
    Guard first{1};
    std::vector<Guard> more;
    explicit Half(int n) {
        more.reserve(10);
        for (int i = 0; i < n; i++) {
            if (i == 5)
                throw std::length_error("five");
            more.emplace_back(i);
        }
    }
};
struct Tried {
    Half half;
    explicit Tried(int n) try : half(n) {
    } catch (std::length_error &) {
        throw std::out_of_range("in place of five");
    }
};
int rethrow(int n) {
    try {
        if (n == 0)
            throw Bottom();
        return rethrow(n - 1);
    } catch (Base &b) {
        b.code++;
        throw;
    }
}
void nest(int n) {
    try {
        if (n == 0)
            throw std::logic_error("innermost");
        nest(n - 1);
    } catch (...) {
        std::throw_with_nested(std::runtime_error("level " + std::to_string(n)));
    }
}
void tell(const std::exception &e, int depth = 0) {
    std::printf("%*s%s\n", depth, "", e.what());
    try {
        std::rethrow_if_nested(e);
    } catch (const std::exception &inner) {
        tell(inner, depth + 1);
    }
}
} // namespace
int main(int argc, char **argv) {
    for (int kind = 0; kind < 8; kind++)
        std::printf("%s, %s, %d\n", caught(3, kind).c_str(), caught(200, kind).c_str(), alive);
    for (int n = 0; n < 10; n += 3)
        try {
            Tried tried(n);
            std::printf("made %d %d\n", n, alive);
        } catch (std::exception &e) {
            std::printf("%s %d\n", e.what(), alive);
        }
    try {
        rethrow(30);
    } catch (Bottom &b) {
        std::printf("%d\n", b.code);
    }
    try {
        nest(4);
    } catch (const std::exception &e) {
        tell(e);
    }
    std::exception_ptr kept;
    try {
        std::vector<int>(3).at(7);
    } catch (...) {
        kept = std::current_exception();
    }
    for (int n = 0; n < 2; n++)
        try {
            std::rethrow_exception(kept);
        } catch (std::out_of_range &) {
            std::puts("kept");
        }
    std::vector<std::function<int(int)>> calls = {[](int x) { return x ? x : throw x; },
                                                  [](int x) { return rethrow(x); }};
    int sum = 0;
    for (int n = 0; n < 500; n++)
        try {
            sum += calls[static_cast<size_t>(n) % 2](n % 5);
        } catch (int) {
            sum += 10;
        } catch (Base &b) {
            sum += b.code * 100;
        }
    try {
        delete[] new char[static_cast<size_t>(1) << 60];
    } catch (std::bad_alloc &) {
        sum++;
    }
    std::printf("%d %d %d\n", sum, alive, std::uncaught_exceptions());
    if (argc > 1 && !std::strcmp(argv[1], "uncaught")) {
        std::fflush(stdout);
        std::set_terminate([] {
            std::puts("terminated"), std::fflush(stdout);
            std::abort();
        });
        throw Bottom();
    }
    if (argc > 1 && !std::strcmp(argv[1], "noexcept")) {
        std::fflush(stdout);
        []() noexcept { throw 1; }();
    }
    return alive;
}
