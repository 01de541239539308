#include <chrono>

#include "check.hpp"

int main() {
    for (const auto& test : check::cases()) {
        const auto start = std::chrono::steady_clock::now();
        const int before = check::failures();
        test.run();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        std::printf("%-4s %-48s %6.2f s\n", check::failures() == before ? "ok" : "FAIL", test.name,
                    took.count());
    }
    std::printf("%zu tests, %d failed checks\n", check::cases().size(), check::failures());
    return check::failures() == 0 ? 0 : 1;
}
