// Ranks by the first two symbols, in memory only: one look instead of the upper
// two thirds of a binary search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stillhouse/memory.hpp"
#include "stillhouse/range.hpp"

namespace stillhouse {

class Bigrams {
  public:
    struct Entry {
        std::uint32_t first;  // 0, the end of a document, starts nothing and marks an empty slot
        std::uint32_t second;
        std::uint32_t lo;
        std::uint32_t hi;
    };

    // Entries must differ in (first, second).
    explicit Bigrams(std::span<const std::vector<Entry>> parts);

    // The ranks of the suffixes that start with both symbols, neither of them 0;
    // {0, 0} if there are none.
    Range find(std::uint32_t first, std::uint32_t second) const {
        for (std::size_t at = home(first, second);; at = (at + 1) & mask_) {
            const Entry& entry = slots()[at];
            if (entry.first == first && entry.second == second) return {entry.lo, entry.hi};
            if (entry.first == 0) return {};
        }
    }

    void prefetch(std::uint32_t first, std::uint32_t second) const {
        __builtin_prefetch(slots() + home(first, second));
    }

    std::size_t bytes() const { return memory_.size(); }

  private:
    std::size_t home(std::uint32_t first, std::uint32_t second) const {
        const std::uint64_t key = (std::uint64_t{first} << 32 | second) * 0x9E3779B97F4A7C15;
        return static_cast<std::size_t>((key ^ key >> 29) * 0xBF58476D1CE4E5B9 >> 20) & mask_;
    }

    const Entry* slots() const { return reinterpret_cast<const Entry*>(memory_.data()); }

    Region memory_;  // open addressing, two thirds full at most
    std::size_t mask_ = 0;
};

}  // namespace stillhouse
