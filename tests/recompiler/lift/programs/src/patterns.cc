// std::regex: matches, searches, captures, back references, replacement, iteration, errors; in three grammars.
#include <cstdio>
#include <regex>
#include <string>

int main(int, char **) {
    const std::string text =
        "The year 1984, the day 2024-02-29, a mail to ann@example.org or bob.b@test.co.uk; repeat repeat; 0x1F 3.14 -7";
    const char *const patterns[] = {R"((\d{4})-(\d\d)-(\d\d))",
                                    R"(([\w.]+)@([\w.]+)\.(\w+))",
                                    R"(\b(\w+) \1\b)",
                                    R"([+-]?\d+(\.\d+)?)",
                                    "(?:th|Th)e",
                                    "[^a-z ]{2,}?",
                                    "x*"};
    for (auto *pattern : patterns) {
        std::regex regex(pattern);
        int count = 0;
        for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end && count < 6; ++at, ++count) {
            std::printf("[%s", at->str().c_str());
            for (size_t n = 1; n < at->size(); n++)
                std::printf("|%s", (*at)[n].str().c_str());
            std::printf("@%td]", at->position());
        }
        std::printf(" %d\n", count);
    }
    std::printf("%s\n", std::regex_replace(text, std::regex("(\\w+)@(\\w+)"), "$2 at $1 <$&>").c_str());
    std::printf("%d %d\n", std::regex_match("aaabbb", std::regex("a+b+")),
                std::regex_match("aaabbbc", std::regex("a+b+")));
    std::printf("%d\n", std::regex_search("ABC", std::regex("b", std::regex::icase)));
    std::printf("%d\n", std::regex_match("a1", std::regex("[[:alpha:]][[:digit:]]", std::regex::extended)));
    for (auto *bad : {"(", "[a", "a{2,1}", "*"})
        try {
            std::regex regex(bad);
            std::printf("%s taken\n", bad);
        } catch (std::regex_error &) {
            std::printf("%s refused\n", bad);
        }
    std::regex comma(",\\s*");
    std::string list = "one, two,three,   four";
    for (std::sregex_token_iterator at(list.begin(), list.end(), comma, -1), end; at != end; ++at)
        std::printf("<%s>", at->str().c_str());
    std::puts("");
    return 0;
}
