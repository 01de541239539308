// A few symbols of every eighth suffix, packed and side by side, in memory only,
// and of every eighth of these, and so on: a search inside a bigram reads two
// cache lines a level, and then only the few suffixes between two keys.
//
// The idea of a static search tree without pointers: P. Khuong, P. Morin, "Array
// Layouts for Comparison-Based Searching", ACM J. Experimental Algorithmics 22, 2017.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "stillhouse/memory.hpp"
#include "stillhouse/range.hpp"

namespace stillhouse {

// Compared as a number; 16 bytes of symbols.
__extension__ typedef unsigned __int128 Key;

template <class Symbol>
class Keys {
  public:
    static constexpr std::uint64_t fanout = 8;  // ranks from one key to the next, keys to the next on the level above
    static constexpr std::size_t skipped = 2;   // symbols the bigram table answers for
    static constexpr std::size_t packed = sizeof(Key) / sizeof(Symbol);

    Keys() = default;
    explicit Keys(std::uint64_t suffixes) {
        std::size_t total = 0;
        for (std::uint64_t left = suffixes; levels_ < starts_.size() && (left > 1 || levels_ == 0); ++levels_) {
            left = (left + fanout - 1) / fanout;
            starts_[levels_] = total;
            sizes_[levels_] = left;
            total += (left + fanout - 1) / fanout * fanout;  // levels begin with a cache line
        }
        memory_ = Region::allocate(total * sizeof(Key));
    }

    std::size_t size() const { return sizes_[0]; }

    // Key i of a level is that of rank i * fanout^(level + 1).
    const Key* level(std::size_t level) const {
        return reinterpret_cast<const Key*>(memory_.data()) + starts_[level];
    }

    // The keys of a level that belong to ranks.
    static Range within(Range ranks, std::size_t level) {
        const unsigned shift = 3 * (static_cast<unsigned>(level) + 1);
        const std::uint64_t round = (std::uint64_t{1} << shift) - 1;
        return {(ranks.lo + round) >> shift, (ranks.hi + round) >> shift};
    }

    std::size_t levels() const { return levels_; }

    // To fill the lowest level, then the others from it.
    Key* lowest() { return reinterpret_cast<Key*>(memory_.mutable_data()); }
    void fill_upper() {
        for (std::size_t l = 1; l < levels_; ++l) {
            for (std::size_t i = 0; i < sizes_[l]; ++i) lowest()[starts_[l] + i] = lowest()[starts_[l - 1] + i * fanout];
        }
    }

    // Up to `packed` symbols behind the first two of `symbols`, most significant
    // first; those missing and those behind a document's end are 0, so that keys
    // order as suffixes do.
    static Key pack(const Symbol* symbols, std::size_t length) {
        Key key = 0;
        bool ended = false;
        for (std::size_t i = skipped; i < skipped + packed; ++i) {
            ended = ended || i >= length || symbols[i] == 0;
            key = key << (8 * sizeof(Symbol)) | (ended ? Symbol{0} : symbols[i]);
        }
        return key;
    }

    // The bits of a key that a query of `length` symbols decides.
    static Key mask(std::size_t length) {
        const std::size_t used = std::min(length - skipped, packed);
        return used == packed ? ~Key{0} : ~(~Key{0} >> (8 * sizeof(Symbol) * used));
    }

  private:
    static_assert(fanout == 8, "within() shifts by three bits a level");

    Region memory_;
    std::size_t levels_ = 0;
    std::array<std::size_t, 10> starts_{};  // enough for 2^30 ranks and more
    std::array<std::size_t, 10> sizes_{};
};

}  // namespace stillhouse
