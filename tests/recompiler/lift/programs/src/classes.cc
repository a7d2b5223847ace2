// Classes: virtual and multiple inheritance, thunks, covariant results, pointers to members, RTTI, static
// initialisation.
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <typeinfo>
#include <vector>

namespace {
std::string journal;
struct Shape {
    virtual ~Shape() {
        journal += 's';
    }
    virtual double area() const = 0;
    virtual const char *name() const {
        return "shape";
    }
    virtual std::unique_ptr<Shape> twice() const = 0;
};
struct Named {
    int id;
    explicit Named(int id) : id(id) {
    }
    virtual ~Named() {
        journal += 'n';
    }
    virtual int number() const {
        return id;
    }
    virtual Named *self() {
        return this;
    }
};
struct Circle : Shape, Named {
    double r;
    explicit Circle(double r) : Named(7), r(r) {
    }
    ~Circle() override {
        journal += 'c';
    }
    double area() const override {
        return 3 * r * r;
    }
    const char *name() const override {
        return "circle";
    }
    int number() const override {
        return id + static_cast<int>(r);
    }
    Circle *self() override {
        return this;
    }
    std::unique_ptr<Shape> twice() const override {
        return std::make_unique<Circle>(r * 2);
    }
};
struct Square final : Named, Shape {
    double side;
    explicit Square(double side) : Named(9), side(side) {
    }
    double area() const override {
        return side * side;
    }
    std::unique_ptr<Shape> twice() const override {
        return std::make_unique<Square>(side * 2);
    }
};
struct Top {
    int t = 1;
    virtual int value() {
        return t;
    }
    virtual ~Top() = default;
};
struct A : virtual Top {
    int a = 2;
    int value() override {
        return a + t;
    }
};
struct B : virtual Top {
    int b = 3;
};
struct C : A, B {
    int c = 4;
    int value() override {
        return A::value() * 10 + b + c;
    }
};
struct Counter {
    int n = 0;
    int up(int by) {
        return n += by;
    }
    int down(int by) {
        return n -= by;
    }
    virtual int twice(int by) {
        return n += 2 * by;
    }
};
struct Early {
    const char *what;
    explicit Early(const char *what) : what(what) {
        journal += what[0];
    }
    ~Early() {
        std::printf("~%s\n", what);
    }
};
Early one("one"), two("two");
Early &lazy() {
    static Early e("lazy");
    return e;
}
template <int N> struct Power {
    static constexpr unsigned long value = 3 * Power<N - 1>::value;
    virtual unsigned long get() const {
        return value;
    }
};
template <> struct Power<0> {
    static constexpr unsigned long value = 1;
};
} // namespace
int main(int, char **) {
    std::vector<std::unique_ptr<Shape>> shapes;
    for (int n = 1; n < 6; n++)
        if (n % 2)
            shapes.push_back(std::make_unique<Circle>(n));
        else
            shapes.push_back(std::make_unique<Square>(n));
    double total = 0;
    for (auto &shape : shapes) {
        auto bigger = shape->twice();
        auto *named = dynamic_cast<Named *>(shape.get());
        auto *circle = dynamic_cast<Circle *>(named);
        total += bigger->area();
        std::printf("%s %g %d %d %d\n", shape->name(), shape->area(), named->number(), circle != nullptr,
                    named->self() == named);
        std::printf("%d %d\n", typeid(*shape) == typeid(Circle), dynamic_cast<Top *>(shape.get()) != nullptr);
    }
    std::printf("%g\n", total);
    C c;
    Top *top = &c;
    B *b = &c;
    std::printf("%d %d %d %d\n", top->value(), b->value(), dynamic_cast<A *>(b)->a, dynamic_cast<C *>(top) == &c);
    int (Counter::*steps[])(int) = {&Counter::up, &Counter::down, &Counter::twice};
    int Counter::*member = &Counter::n;
    Counter counter;
    for (int n = 0; n < 50; n++)
        (counter.*steps[n % 3])(n);
    std::printf("%d %lu\n", counter.*member, Power<20>().get());
    try {
        Top plain;
        (void)dynamic_cast<C &>(plain);
    } catch (std::bad_cast &) {
        std::puts("bad cast");
    }
    lazy(), lazy();
    shapes.clear();
    std::printf("%s\n", journal.c_str());
    return 0;
}
