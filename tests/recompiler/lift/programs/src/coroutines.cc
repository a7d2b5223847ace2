// Coroutines, lambdas that keep state, std::function, ranges of iterators, constexpr tables, string_view, chrono
// arithmetic.
#include <array>
#include <chrono>
#include <coroutine>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace {
template <class T> struct Generator {
    struct promise_type {
        T value{};
        std::exception_ptr error;
        Generator get_return_object() {
            return Generator{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept {
            return {};
        }
        std::suspend_always final_suspend() noexcept {
            return {};
        }
        std::suspend_always yield_value(T v) {
            value = v;
            return {};
        }
        void return_void() {
        }
        void unhandled_exception() {
            error = std::current_exception();
        }
    };
    std::coroutine_handle<promise_type> handle;
    explicit Generator(std::coroutine_handle<promise_type> h) : handle(h) {
    }
    Generator(Generator &&other) noexcept : handle(std::exchange(other.handle, nullptr)) {
    }
    ~Generator() {
        if (handle)
            handle.destroy();
    }
    bool next() {
        handle.resume();
        if (handle.promise().error)
            std::rethrow_exception(handle.promise().error);
        return !handle.done();
    }
    T get() const {
        return handle.promise().value;
    }
};
Generator<unsigned long> fibonacci() {
    unsigned long a = 0, b = 1;
    for (;;) {
        co_yield a;
        a = std::exchange(b, a + b);
    }
}
Generator<int> walk(int depth) {
    if (depth > 0) {
        auto left = walk(depth - 1);
        while (left.next())
            co_yield left.get();
        co_yield depth;
        auto right = walk(depth - 2);
        while (right.next())
            co_yield right.get() + 100;
    }
}
Generator<double> failing() {
    co_yield 1.5;
    throw 7;
}
constexpr auto table = [] {
    std::array<unsigned, 64> t{};
    for (unsigned n = 0; n < 64; n++)
        t[n] = n * n ^ n << 3;
    return t;
}();
template <class... T> auto sum(T... v) {
    return (v + ...);
}
} // namespace
int main(int, char **) {
    auto fib = fibonacci();
    for (int n = 0; n < 90 && fib.next(); n++)
        if (n % 10 == 0)
            std::printf("%lu ", fib.get());
    long total = 0;
    int count = 0;
    for (auto tree = walk(9); tree.next(); count++)
        total = total * 3 % 1000003 + tree.get();
    std::printf("\n%d %ld\n", count, total);
    try {
        for (auto g = failing(); g.next();)
            std::printf("%g\n", g.get());
    } catch (int v) {
        std::printf("threw %d\n", v);
    }
    std::vector<std::function<long(long)>> chain;
    for (int n = 0; n < 20; n++)
        chain.push_back([n, state = std::make_shared<long>(n)](long v) { return v * 3 + (*state += n); });
    long value = 1;
    for (int round = 0; round < 5; round++)
        for (auto &f : chain)
            value = f(value) % 1000000007;
    std::printf("%ld %u %g\n", value, table[37], sum(1, 2.5, 3L, 4.5f));
    std::string_view view = "  trimmed text  ";
    view.remove_prefix(view.find_first_not_of(' '));
    view = view.substr(0, view.find_last_not_of(' ') + 1);
    using namespace std::chrono;
    auto day = sys_days{year{2024} / 2 / 29} + days{366};
    year_month_day date{day};
    std::printf("%.*s %d-%u-%u %lld\n", static_cast<int>(view.size()), view.data(), static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<long long>(duration_cast<minutes>(hours{50} + seconds{61}).count()));
    return 0;
}
