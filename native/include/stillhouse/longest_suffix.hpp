// The longest suffix of a context that occurs (n = infinity).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "stillhouse/matching.hpp"

namespace stillhouse {

// A suffix of a context that occurs.
struct Suffix {
    std::size_t length = 0;
    Range range;  // of its occurrences; all ranks if it is empty
};

// How many of the `limit` symbols before two pointers are equal, read backwards.
template <class Symbol>
std::size_t common_suffix(const Symbol* text, const Symbol* query, std::size_t limit) {
    constexpr std::size_t step = 8 / sizeof(Symbol);
    std::size_t shared = 0;
    while (shared + step <= limit) {
        std::uint64_t a;
        std::uint64_t b;
        std::memcpy(&a, text - shared - step, 8);
        std::memcpy(&b, query - shared - step, 8);
        if (a != b) return shared + static_cast<std::size_t>(std::countl_zero(a ^ b)) / (8 * sizeof(Symbol));
        shared += step;
    }
    while (shared < limit && *(text - shared - 1) == *(query - shared - 1)) ++shared;
    return shared;
}

// How far a suffix that occurs in `range` can grow to the left, looked up in the
// text at each of its occurrences.
template <class Symbol>
std::size_t grown_length(const SuffixArray<Symbol>& array, std::span<const Symbol> context, const Suffix& suffix,
                         const Stop* stop) {
    const Symbol* before = context.data() + context.size() - suffix.length;
    const std::size_t room = context.size() - suffix.length;
    for (std::uint64_t rank = suffix.range.lo; rank < suffix.range.hi; ++rank) {
        const std::size_t at = array.position(rank);
        __builtin_prefetch(array.text.data() + (at > 0 ? at - 1 : 0));
    }
    std::size_t most = 0;
    for (std::uint64_t rank = suffix.range.lo; rank < suffix.range.hi && most < room; ++rank) {
        if (stop) stop->check();
        const std::size_t at = array.position(rank);
        most = std::max(most, common_suffix(array.text.data() + at, before, std::min(at, room)));
    }
    return suffix.length + most;
}

// The longest suffix of `context`, symbols in [1, K], that occurs.
//
// If a suffix occurs, all shorter ones do: rounds of lengths, tried side by side,
// close in from both sides. As soon as one has few occurrences, the text before
// each of them tells how long the longest is.
template <class Symbol>
Suffix longest_suffix_of(const SuffixArray<Symbol>& array, std::span<const Symbol> context, const Stop* stop) {
    constexpr std::size_t most = 8;
    constexpr std::uint64_t few = 64;
    Suffix best{0, array.all()};
    std::size_t beyond = context.size() + 1;  // shortest length known not to occur
    std::array<std::size_t, most> lengths;
    std::array<Range, most> ranges;
    while (best.length + 1 < beyond) {
        std::size_t tries = 0;
        const auto add = [&](std::size_t length) {
            const std::size_t last = tries > 0 ? lengths[tries - 1] : best.length;
            if (tries < most && length > last && length < beyond) lengths[tries++] = length;
        };
        if (best.length > 0 && best.range.count() <= few) {
            add(grown_length(array, context, best, stop));
            if (tries == 0) return best;
            beyond = lengths[0] + 1;
        } else if (best.length == 0) {
            for (const std::size_t length : {1, 2, 4}) add(length);
        } else if (beyond > context.size()) {
            for (const std::size_t times : {2, 4, 8}) add(std::min(times * best.length, context.size()));
        } else {
            for (std::size_t i = 1; i <= most; ++i) add(best.length + (beyond - best.length) * i / (most + 1));
            if (tries == 0) add(best.length + 1);
        }
        find_many(
            array, tries, stop, [&](std::size_t i) { return context.last(lengths[i]); },
            std::span<Range>(ranges.data(), tries));
        for (std::size_t i = 0; i < tries; ++i) {
            if (ranges[i].count() == 0) {
                beyond = lengths[i];
                break;
            }
            best = {lengths[i], ranges[i]};
        }
    }
    return best;
}

// Whether all occurrences in a range, not empty, continue alike.
template <class Symbol>
bool continues_alike(const SuffixArray<Symbol>& array, Range range, std::size_t depth) {
    return array.symbol_at(range.lo, depth) == array.symbol_at(range.hi - 1, depth);
}

}  // namespace stillhouse
