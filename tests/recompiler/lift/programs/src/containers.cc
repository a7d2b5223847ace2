// The standard library's containers and algorithms on numbers and strings, their sums and orders.
#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <numeric>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

namespace {
std::uint64_t hash(std::uint64_t h, std::uint64_t v) {
    return (h ^ v) * 0x9E3779B97F4A7C15u;
}
struct Visitor {
    double operator()(int v) const {
        return v;
    }
    double operator()(const std::string &v) const {
        return static_cast<double>(v.size());
    }
    double operator()(double v) const {
        return v * 2;
    }
};
} // namespace
int main(int, char **) {
    std::mt19937_64 random(12345);
    std::vector<int> numbers(3000);
    for (auto &n : numbers)
        n = static_cast<int>(random() % 10007);
    auto sorted = numbers;
    std::sort(sorted.begin(), sorted.end());
    auto down = numbers;
    std::stable_sort(down.begin(), down.end(), [](int a, int b) { return a / 10 > b / 10; });
    auto partly = numbers;
    std::nth_element(partly.begin(), partly.begin() + 500, partly.end());
    std::printf("%d %d %d %d\n", sorted[1500], down[10], partly[500], std::is_sorted(sorted.begin(), sorted.end()));
    std::unordered_map<std::string, int> words;
    std::map<std::string, std::vector<int>> index;
    for (int n : numbers) {
        std::string word = "w" + std::to_string(n % 701);
        words[word]++, index[word].push_back(n);
    }
    std::uint64_t h = 1;
    int most = 0;
    for (auto &[word, count] : words)
        most = std::max(most, count);
    for (auto &[word, list] : index)
        for (int n : list)
            h = hash(h, static_cast<std::uint64_t>(n) + word.size());
    std::printf("%zu %d %llx\n", words.size(), most, static_cast<unsigned long long>(h));
    std::set<int> some(numbers.begin(), numbers.begin() + 300);
    std::multiset<int> more(numbers.begin(), numbers.end());
    std::unordered_set<int> fast(numbers.begin(), numbers.end());
    std::printf("%zu %zu %zu %d\n", some.size(), more.count(sorted[7]), fast.size(), *some.lower_bound(5000));
    std::priority_queue<std::pair<int, int>> queue;
    for (int n = 0; n < 1000; n++)
        queue.emplace(numbers[static_cast<size_t>(n)], n);
    for (int n = 0; n < 500; n++)
        h = hash(h, static_cast<std::uint64_t>(queue.top().first * 3 + queue.top().second)), queue.pop();
    std::deque<int> both;
    for (int n : numbers)
        n % 3 ? both.push_front(n) : both.push_back(n);
    std::list<int> chain(both.begin(), both.end());
    chain.sort(), chain.unique(), chain.reverse();
    chain.remove_if([](int n) { return n % 7 == 0; });
    std::printf("%d %d %zu %d\n", both.front(), both.back(), chain.size(), chain.front());
    std::vector<std::variant<int, std::string, double>> mixed;
    for (int n = 0; n < 90; n++)
        n % 3 == 0   ? mixed.emplace_back(n)
        : n % 3 == 1 ? mixed.emplace_back(std::string(static_cast<size_t>(n), 'y'))
                     : mixed.emplace_back(n / 4.0);
    double sum = 0;
    for (auto &v : mixed)
        sum += std::visit(Visitor(), v);
    std::bitset<200> bits;
    for (size_t n = 0; n < 200; n += 7)
        bits.set(n), bits.flip(n / 2);
    std::printf("%g %zu %s\n", sum, bits.count(), (bits >> 150).to_string().substr(150).c_str());
    std::vector<int> permutation = {3, 1, 4, 1, 5};
    int steps = 0;
    while (std::next_permutation(permutation.begin(), permutation.end()))
        steps++;
    std::optional<std::tuple<int, std::string>> maybe = std::make_tuple(5, std::string("five"));
    auto position = std::search(numbers.begin(), numbers.end(), numbers.begin() + 100, numbers.begin() + 110);
    std::printf("%d %s %td %d\n", steps, std::get<1>(*maybe).c_str(), position - numbers.begin(),
                std::accumulate(numbers.begin(), numbers.end(), 0));
    std::rotate(numbers.begin(), numbers.begin() + 10, numbers.end());
    std::shuffle(numbers.begin(), numbers.end(), std::minstd_rand(3));
    auto middle = std::partition(numbers.begin(), numbers.end(), [](int n) { return n & 1; });
    std::vector<int> merged, heap = sorted;
    std::set_intersection(some.begin(), some.end(), sorted.begin(), sorted.end(), std::back_inserter(merged));
    std::make_heap(heap.begin(), heap.end(), std::greater<>());
    std::normal_distribution<double> normal(5, 2);
    double mean = 0;
    std::mt19937 small(9);
    for (int n = 0; n < 1000; n++)
        mean += normal(small) / 1000;
    std::printf("%td %zu %d %d %llx\n", middle - numbers.begin(), merged.size(), heap[0], mean > 4 && mean < 6,
                static_cast<unsigned long long>(h));
    return 0;
}
