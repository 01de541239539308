// What follows an n-gram: its occurrences are sorted by the next symbol, so the
// borders between equal symbols tell all counts. They are looked for by halving,
// at many places at once while memory answers.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "stillhouse/search.hpp"

namespace stillhouse {

// The lowest rank whose suffix continues with a symbol, at some depth.
struct Border {
    std::uint64_t rank;
    std::uint32_t symbol;
};

template <class Symbol>
class BorderFinder {
  public:
    // The first ranks of all symbols that stand `depth` after the start of the
    // suffixes in `range`, ascending. All must be at least `depth` long and equal
    // before. The result is valid until the next call.
    const std::vector<Border>& find(const SuffixArray<Symbol>& array, Range range, std::size_t depth,
                                    const Stop* stop = nullptr) {
        borders_.clear();
        if (range.count() == 0) return borders_;
        const std::size_t lanes = static_cast<std::size_t>(std::min<std::uint64_t>(lanes_.size(), 1 + range.count() / 64));
        split(array, range, depth, lanes);
        Pacer pacer(stop, 512);
        while (advance(array, depth, lanes)) pacer.step();
        borders_.push_back({range.lo, lanes_[0].first});
        for (std::size_t i = 0; i < lanes; ++i)
            borders_.insert(borders_.end(), lanes_[i].found.begin(), lanes_[i].found.end());
        return borders_;
    }

  private:
    // Looks for borders in (left.rank, end of its part], from left to right.
    struct Lane {
        std::uint32_t first = 0;
        Border left{};
        std::array<Border, 40> ahead;  // ranks seen to the right, the nearest on top
        std::size_t seen = 0;
        std::uint64_t probe = 0;
        std::size_t at = 0;
        bool active = false;
        std::vector<Border> found;

        void aim() {
            active = false;
            while (seen > 0) {
                const Border& next = ahead[seen - 1];
                const bool same = next.symbol == left.symbol;
                if (!same && next.rank - left.rank > 1) {
                    probe = left.rank + (next.rank - left.rank) / 2;
                    active = true;
                    return;
                }
                if (!same) found.push_back(next);
                left = next;
                --seen;
            }
        }
    };

    void split(const SuffixArray<Symbol>& array, Range range, std::size_t depth, std::size_t lanes) {
        const std::uint64_t last = range.hi - 1;
        const auto start = [&](std::size_t i) { return range.lo + (last - range.lo) * i / lanes; };
        for (std::size_t i = 0; i <= lanes; ++i) __builtin_prefetch(array.suffixes.data() + start(i));
        for (std::size_t i = 0; i <= lanes; ++i)
            __builtin_prefetch(array.text.data() + std::min(array.position(start(i)) + depth, array.text.size()));
        Border from{start(0), array.symbol_at(start(0), depth)};
        for (std::size_t i = 0; i < lanes; ++i) {
            Lane& lane = lanes_[i];
            const Border to{start(i + 1), array.symbol_at(start(i + 1), depth)};
            lane.first = from.symbol;
            lane.left = from;
            lane.ahead[0] = to;
            lane.seen = 1;
            lane.found.clear();
            lane.aim();
            if (lane.active) __builtin_prefetch(array.suffixes.data() + lane.probe);
            from = to;
        }
    }

    // One probe for each lane; false when all have ended.
    bool advance(const SuffixArray<Symbol>& array, std::size_t depth, std::size_t lanes) {
        bool any = false;
        for (std::size_t i = 0; i < lanes; ++i) {
            Lane& lane = lanes_[i];
            if (!lane.active) continue;
            any = true;
            lane.at = array.position(lane.probe);
            __builtin_prefetch(array.text.data() + std::min(lane.at + depth, array.text.size()));
        }
        for (std::size_t i = 0; i < lanes; ++i) {
            Lane& lane = lanes_[i];
            if (!lane.active) continue;
            lane.ahead[lane.seen++] = {lane.probe, array.symbol_behind(lane.at, depth)};
            lane.aim();
            if (lane.active) __builtin_prefetch(array.suffixes.data() + lane.probe);
        }
        return any;
    }

    std::array<Lane, 16> lanes_;
    std::vector<Border> borders_;
};

// The part of `range` that continues with `symbol` (0: ends there) at `depth`.
template <class Symbol>
Range narrow(const SuffixArray<Symbol>& array, Range range, std::size_t depth, Symbol symbol) {
    if (depth == 0 && symbol != 0) return array.bucket(symbol);
    const auto partition = [&](std::uint64_t lo, std::uint64_t hi, auto before) {
        while (lo < hi) {
            const std::uint64_t middle = lo + (hi - lo) / 2;
            if (before(array.symbol_at(middle, depth)))
                lo = middle + 1;
            else
                hi = middle;
        }
        return lo;
    };
    const std::uint64_t lo = partition(range.lo, range.hi, [&](Symbol s) { return s < symbol; });
    if (lo == range.hi || array.symbol_at(lo, depth) != symbol) return {};
    // From the lower border in growing steps: most continuations are few.
    std::uint64_t step = 1;
    std::uint64_t inside = lo;
    while (inside + step < range.hi && array.symbol_at(inside + step, depth) == symbol) {
        inside += step;
        step *= 2;
    }
    const std::uint64_t end = std::min(inside + step, range.hi);
    return {lo, partition(inside + 1, end, [&](Symbol s) { return s == symbol; })};
}

// Collects all bigrams that start with the symbols [first, last); gives up with
// false when there are more than `most`.
template <class Symbol>
bool collect_bigrams(const SuffixArray<Symbol>& array, std::size_t first, std::size_t last, std::size_t most,
                     std::vector<Bigrams::Entry>& entries) {
    BorderFinder<Symbol> finder;
    for (std::size_t symbol = first; symbol < last; ++symbol) {
        const Range bucket = array.bucket(static_cast<Symbol>(symbol));
        const auto& borders = finder.find(array, bucket, 1);
        for (std::size_t i = 0; i < borders.size(); ++i) {
            const std::uint64_t end = i + 1 < borders.size() ? borders[i + 1].rank : bucket.hi;
            if (borders[i].symbol != 0)
                entries.push_back({static_cast<std::uint32_t>(symbol), borders[i].symbol,
                                   static_cast<std::uint32_t>(borders[i].rank), static_cast<std::uint32_t>(end)});
        }
        if (entries.size() > most) return false;
    }
    return true;
}

}  // namespace stillhouse
