// iostream, stringstream, iomanip: numbers in and out in all their forms, getline, manipulators, a stream of one's own.
#include <algorithm>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {
class Upper : public std::streambuf {
    std::streambuf *to;
    int overflow(int c) override {
        return c == EOF ? 0 : to->sputc(static_cast<char>(std::toupper(c)));
    }

  public:
    explicit Upper(std::streambuf *to) : to(to) {
    }
};
struct Point {
    double x, y;
};
std::ostream &operator<<(std::ostream &out, const Point &p) {
    return out << '(' << p.x << ", " << p.y << ')';
}
std::istream &operator>>(std::istream &in, Point &p) {
    char c;
    return in >> c >> p.x >> c >> p.y >> c;
}
} // namespace
int main(int, char **) {
    using namespace std;
    cout << 42 << ' ' << -7L << ' ' << 3.14159 << ' ' << 1e100 << ' ' << true << ' ' << boolalpha << false << ' ' << 'c'
         << " text\n";
    cout << hex << showbase << 255 << ' ' << oct << 8 << ' ' << dec << noshowbase << setw(8) << setfill('*') << 123
         << left << setw(6) << -5 << internal << setw(7) << -42 << '\n';
    cout << setfill(' ') << right << fixed << setprecision(3) << 2.0 / 3 << ' ' << scientific << 12345.678 << ' '
         << defaultfloat << setprecision(12) << 1.0 / 7 << ' ' << hexfloat << 1.5 << defaultfloat << '\n';
    cout << showpos << 5 << ' ' << 2.5 << noshowpos << ' ' << uppercase << hex << 48879 << nouppercase << dec << ' '
         << 1.25L << '\n';
    stringstream text("12 -34 0x1f 3.5e2 word (1.5, -2.5) rest of line\nsecond line\n");
    int a, b;
    double d;
    string word, rest;
    Point p{};
    text >> a >> b >> hex >> a >> dec >> d >> word >> p;
    getline(text, rest);
    cout << a << b << d << word << p << '[' << rest << "]\n";
    getline(text, rest);
    cout << rest << ' ' << text.eof() << text.fail() << '\n';
    text.clear(), text.str("not a number"), text.seekg(0);
    text >> a;
    cout << text.fail() << '\n';
    Upper upper(cout.rdbuf());
    ostream shout(&upper);
    shout << "shouted " << 1.5 << '\n';
    ofstream("made.txt") << "3 1 4 1 5 9 2 6\n";
    ifstream file("made.txt");
    vector<int> numbers((istream_iterator<int>(file)), istream_iterator<int>());
    sort(numbers.begin(), numbers.end());
    copy(numbers.begin(), numbers.end(), ostream_iterator<int>(cout, ","));
    cout << '\n' << file.eof() << ifstream("none").is_open() << '\n';
    map<string, int> counts;
    string line;
    while (getline(cin, line)) {
        istringstream words(line);
        while (words >> word)
            counts[word]++;
    }
    for (auto &[key, count] : counts)
        cout << quoted(key) << '=' << count << ' ';
    cout << endl;
    cerr << "on stderr " << setprecision(3) << 2.71828 << endl;
    wstringstream wide;
    wide << L"wide " << 3.5;
    cout << wide.str().size() << '\n';
    cout.exceptions(ios::badbit);
    return static_cast<int>(counts.size());
}
