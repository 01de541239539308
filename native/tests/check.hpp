// A test harness in a few lines: TEST registers, CHECK reports and goes on.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace check {

struct Case {
    const char* name;
    void (*run)();
};

inline std::vector<Case>& cases() {
    static std::vector<Case> all;
    return all;
}

inline int& failures() {
    static int count = 0;
    return count;
}

struct Registration {
    Registration(const char* name, void (*run)()) { cases().push_back({name, run}); }
};

inline void report(bool passed, const char* expression, const char* file, int line) {
    if (passed) return;
    // A broken invariant in a loop would print millions of lines.
    if (++failures() <= 20) std::printf("%s:%d: failed: %s\n", file, line, expression);
}

// The message of the exception of type E that `call` throws, or "" if it throws none.
template <class E>
std::string thrown(const std::function<void()>& call) {
    try {
        call();
    } catch (const E& error) {
        return error.what();
    }
    return "";
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace check

#define CHECK(expression) check::report(static_cast<bool>(expression), #expression, __FILE__, __LINE__)
#define TEST(name)                                                   \
    static void name();                                              \
    static const check::Registration registration_##name(#name, name); \
    static void name()
