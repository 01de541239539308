// Where the occurrences of an n-gram are in suffix order.
#pragma once

#include <cstdint>

namespace stillhouse {

// Ranks [lo, hi) of the suffixes that start with a query; empty if lo == hi.
struct Range {
    std::uint64_t lo = 0;
    std::uint64_t hi = 0;

    std::uint64_t count() const { return hi - lo; }
};

}  // namespace stillhouse
