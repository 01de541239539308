// Binary search in a suffix array, one probe at a time, so that many searches
// can take turns while memory answers (run_interleaved).
//
// Sources: U. Manber, G. Myers, "Suffix Arrays: A New Method for On-Line String
// Searches", SIAM J. Comput. 22(5), 1993 (no symbol compared twice thanks to the
// common prefixes with both borders). The longest match of a query is the longer
// common prefix with the two suffixes that surround it in order.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "stillhouse/bigrams.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/keys.hpp"
#include "stillhouse/range.hpp"
#include "stillhouse/stop.hpp"

namespace stillhouse {

// The arrays of a segment. Symbol is uint16 or uint32; 0 ends a document.
template <class Symbol>
struct SuffixArray {
    std::span<const Symbol> text;             // T + D symbols in [0, K]
    std::span<const std::uint32_t> suffixes;  // T positions in text, in suffix order
    std::span<const std::uint32_t> buckets;   // K + 2 ranks: [s, s + 1) starts with symbol s
    const Bigrams* bigrams = nullptr;         // ranks by the first two symbols, if there is a table
    const Keys<Symbol>* keys = nullptr;       // symbols of sampled suffixes, if there are bigrams

    Range bucket(Symbol symbol) const { return {buckets[symbol], buckets[symbol + std::size_t{1}]}; }
    Range all() const { return {0, suffixes.size()}; }

    // Where the suffix of a rank in [0, T) starts. Never trusts the file: throws
    // FormatError if the position is outside the text.
    std::size_t position(std::uint64_t rank) const {
        const std::size_t at = suffixes[rank];
        if (at >= text.size()) [[unlikely]]
            throw FormatError("suffixes: a position beyond the text; the index is corrupt, run verify()");
        return at;
    }

    // The symbol `depth` after the start of a rank's suffix, which is at least that
    // long: 0 if the document ends there.
    Symbol symbol_at(std::uint64_t rank, std::size_t depth) const { return symbol_behind(position(rank), depth); }
    Symbol symbol_behind(std::size_t at, std::size_t depth) const {
        if (depth >= text.size() - at) [[unlikely]]
            throw FormatError("text: does not end with a document end; the index is corrupt, run verify()");
        return text[at + depth];
    }
};

// Length of the common prefix of text and query, both at least `known` and at
// most `limit` symbols long, given that the first `known` are equal.
template <class Symbol>
std::size_t common_prefix(const Symbol* text, const Symbol* query, std::size_t known, std::size_t limit) {
    constexpr std::size_t step = 8 / sizeof(Symbol);
    while (known + step <= limit) {
        std::uint64_t a;
        std::uint64_t b;
        std::memcpy(&a, text + known, 8);
        std::memcpy(&b, query + known, 8);
        if (a != b) return known + static_cast<std::size_t>(std::countr_zero(a ^ b)) / (8 * sizeof(Symbol));
        known += step;
    }
    while (known < limit && text[known] == query[known]) ++known;
    return known;
}

// What a search is for: the suffixes that start with the whole query, or with
// its longest prefix that occurs.
enum class Goal { whole, longest };

// One search. While !done(): if in_keys(), feed_key(); else fetch
// the suffix of rank(), feed() its position.
template <class Symbol>
class Search {
  public:
    Search() = default;

    // `query` holds symbols in [1, K] and must outlive the search.
    Search(const SuffixArray<Symbol>& array, std::span<const Symbol> query, Goal goal)
        : query_(query.data()), length_(query.size()), goal_(goal) {
        if (length_ == 0) {
            finish({0, array.suffixes.size()}, 0);
            return;
        }
        bucket_ = array.bucket(query_[0]);
        if (bucket_.count() == 0 || length_ == 1) {
            finish(bucket_, bucket_.count() == 0 ? 0 : 1);
            return;
        }
        if (array.bigrams) {
            const Range range = array.bigrams->find(query_[0], query_[1]);
            if (range.count() == 0) {
                finish(goal_ == Goal::whole ? Range{} : bucket_, 1);
                return;
            }
            if (length_ == 2) {
                finish(range, 2);
                return;
            }
            bucket_ = range;
            base_ = 2;
        }
        // All suffixes of the bucket share the first base_ symbols.
        known_ = shared_below_ = shared_above_ = shared_top_ = base_;
        lo_ = bucket_.lo;
        hi_ = top_ = bucket_.hi;
        if (array.keys && aim_at_keys(array)) return;
        phase_ = Phase::descend;
        aim();
    }

    bool in_keys() const { return phase_ == Phase::keys; }

    void prefetch_keys(const SuffixArray<Symbol>& array) const {
        const Key* keys = array.keys->level(level_);
        const auto prefetch = [&](Range range) {
            constexpr std::uint64_t line = 64 / sizeof(Key);
            for (std::uint64_t i = range.lo; i < range.hi; i += line) __builtin_prefetch(keys + i);
            __builtin_prefetch(keys + range.hi - (range.hi > range.lo));
        };
        prefetch(below_);
        if (above_.lo != below_.lo) prefetch(above_);
    }

    // Goes down one level of the keys.
    void feed_key(const SuffixArray<Symbol>& array) {
        const Key* keys = array.keys->level(level_);
        const Key mask = Keys<Symbol>::mask(length_);
        // The first key that is not below the query's, and the first one above it.
        std::uint64_t first = below_.lo;
        for (std::uint64_t i = below_.lo; i < below_.hi; ++i) first += (keys[i] & mask) < wanted_key_;
        std::uint64_t end = above_.lo;
        for (std::uint64_t i = above_.lo; i < above_.hi; ++i) end += (keys[i] & mask) <= wanted_key_;
        if (level_ == 0) return leave_keys(first, end);
        const Range keys_below = Keys<Symbol>::within(bucket_, --level_);
        const auto between = [&](std::uint64_t key) {
            const std::uint64_t from = key > 0 ? (key - 1) * Keys<Symbol>::fanout + 1 : 0;
            return Range{std::max(keys_below.lo, from), std::min(keys_below.hi, key * Keys<Symbol>::fanout)};
        };
        below_ = between(first);
        above_ = between(end);
    }

    bool done() const { return phase_ == Phase::done; }
    std::uint64_t rank() const { return rank_; }

    // Symbols of the suffix at rank() that are known to equal the query's.
    std::size_t known() const { return known_; }

    // When done: the suffixes found, and how many symbols of the query they share.
    Range range() const { return result_; }
    std::size_t matched() const { return matched_; }

    // Compares the suffix of rank(), which starts at `at`, and moves on.
    void feed(const SuffixArray<Symbol>& array, std::size_t at) {
        const std::size_t wanted = phase_ == Phase::descend ? length_ : matched_;
        const std::size_t room = array.text.size() - at;
        const Symbol* suffix = array.text.data() + at;
        const std::size_t shared = common_prefix(suffix, query_, std::min(known_, room), std::min(wanted, room));
        if (shared == room && shared < wanted) [[unlikely]]
            throw FormatError("text: does not end with a document end; the index is corrupt, run verify()");
        if (phase_ == Phase::descend)
            descend(shared, shared == length_ || suffix[shared] > query_[shared]);
        else
            widen(shared);
    }

  private:
    enum class Phase : std::uint8_t {
        keys,     // look for the keys around the query's, in below_ and above_
        descend,  // look for the query's place among the suffixes: [lo_, hi_)
        left,     // look for the first suffix that shares matched_ symbols
        right,    // look for the last one
        done,
    };

    void finish(Range range, std::size_t matched) {
        result_ = range;
        matched_ = matched;
        phase_ = Phase::done;
    }

    // Whether there are enough keys between the borders to be worth a look.
    bool aim_at_keys(const SuffixArray<Symbol>& array) {
        below_ = Keys<Symbol>::within(bucket_, level_ = 0);
        if (below_.count() < 2) return false;
        while (below_.count() > 16 && level_ + 1 < array.keys->levels())
            below_ = Keys<Symbol>::within(bucket_, ++level_);
        above_ = below_;
        wanted_key_ = Keys<Symbol>::pack(query_, length_);
        phase_ = Phase::keys;
        return true;
    }

    // Keys [first, end) equal the query's as far as both reach.
    void leave_keys(std::uint64_t first, std::uint64_t end) {
        constexpr std::uint64_t fanout = Keys<Symbol>::fanout;
        // The suffixes of the keys around are compared as well where the length of
        // their common prefix may be the answer.
        const std::uint64_t around = goal_ == Goal::longest ? 1 : 0;
        if (first > 0) lo_ = std::max(lo_, (first - 1) * fanout + 1 - around);
        hi_ = std::min(hi_, end * fanout + around);
        top_ = hi_;
        if (first < end && length_ <= Keys<Symbol>::skipped + Keys<Symbol>::packed) {
            // Whole matches: all from the first of these keys to the last.
            hi_ = first * fanout;
            highest_ = (end - 1) * fanout;
            shared_above_ = length_;
        }
        phase_ = Phase::descend;
        aim();
    }

    void aim() {
        if (lo_ < hi_) {
            rank_ = lo_ + (hi_ - lo_) / 2;
            known_ = std::min(shared_below_, shared_above_);
        } else {
            land();
        }
    }

    void descend(std::size_t shared, bool not_less) {
        if (!not_less) {
            lo_ = rank_ + 1;
            shared_below_ = shared;
        } else {
            // The first whole match is also the highest one seen.
            if (shared < length_) {
                top_ = rank_;
                shared_top_ = shared;
            } else if (shared_above_ < length_) {
                highest_ = rank_;
            }
            hi_ = rank_;
            shared_above_ = shared;
        }
        aim();
    }

    // The query's place is lo_; shared_below_ and shared_above_ belong to the two
    // suffixes around it, or are base_ where the bucket ends.
    void land() {
        matched_ = std::max(shared_below_, shared_above_);
        if (goal_ == Goal::whole && shared_above_ < length_) return finish({0, 0}, matched_);
        if (matched_ == base_) return finish(bucket_, base_);
        result_ = {lo_, lo_};
        if (shared_above_ == length_) {
            // Nothing below starts with the whole query; above, the end is known to
            // lie behind the highest match and not behind top_.
            start_widening(Phase::right, highest_, top_, shared_top_, false);
        } else if (shared_below_ == matched_) {
            start_widening(Phase::left, lo_ - 1, bucket_.lo - 1, base_, true);
        } else {
            start_widening(Phase::right, lo_, bucket_.hi, base_, true);
        }
    }

    // Looks between a rank that matches and one that does not (possibly just
    // outside the bucket; -1 wraps and is never probed). From a lone match in
    // growing steps, since most longest matches are few, else by halving.
    void start_widening(Phase phase, std::uint64_t inner, std::uint64_t outer, std::size_t shared_outer,
                        bool galloping) {
        phase_ = phase;
        inner_ = inner;
        outer_ = outer;
        known_ = shared_outer;
        stride_ = galloping ? 1 : 0;
        aim_outward();
    }

    void aim_outward() {
        const std::uint64_t distance = phase_ == Phase::left ? inner_ - outer_ : outer_ - inner_;
        if (distance == 1) return settle();
        const std::uint64_t offset = stride_ > 0 ? std::min(stride_, distance - 1) : distance / 2;
        rank_ = phase_ == Phase::left ? inner_ - offset : inner_ + offset;
    }

    void widen(std::size_t shared) {
        if (shared >= matched_) {
            inner_ = rank_;
            stride_ *= 2;
        } else {
            outer_ = rank_;
            known_ = shared;  // everything between shares at least as much
            stride_ = 0;
        }
        aim_outward();
    }

    void settle() {
        if (phase_ == Phase::right) {
            result_.hi = inner_ + 1;
            phase_ = Phase::done;
            return;
        }
        result_.lo = inner_;
        if (shared_above_ == matched_)
            start_widening(Phase::right, lo_, bucket_.hi, base_, true);
        else
            phase_ = Phase::done;
    }

    const Symbol* query_ = nullptr;
    std::size_t length_ = 0;
    std::size_t base_ = 1;  // symbols that all suffixes of bucket_ share with the query
    std::uint64_t rank_ = 0;
    std::size_t known_ = 1;
    std::uint64_t lo_ = 0;
    std::uint64_t hi_ = 0;
    std::size_t shared_below_ = 1;
    std::size_t shared_above_ = 1;
    Key wanted_key_ = 0;
    std::size_t level_ = 0;
    Range below_;
    Range above_;
    std::uint64_t top_ = 0;  // lowest rank known to be above all whole matches
    std::size_t shared_top_ = 1;
    std::uint64_t highest_ = 0;  // highest whole match seen
    std::uint64_t inner_ = 0;
    std::uint64_t outer_ = 0;
    std::uint64_t stride_ = 0;
    Range bucket_;
    Range result_;
    std::size_t matched_ = 0;
    Goal goal_ = Goal::whole;
    Phase phase_ = Phase::done;
};

// Runs one search to its end.
template <class Symbol>
Search<Symbol> run(const SuffixArray<Symbol>& array, std::span<const Symbol> query, Goal goal) {
    Search<Symbol> search(array, query, goal);
    while (search.in_keys()) search.feed_key(array);
    while (!search.done()) search.feed(array, array.position(search.rank()));
    return search;
}

// Runs searches side by side: while one waits for memory, the others compute.
//
//   next(search) -> bool   stores the next search, or returns false at the end
//   finish(slot, search)   takes a result; `slot` counts the searches from 0 in
//                          the order of next, results come in any order
//   stop                   checked on the way, if there is one
template <class Symbol, class Next, class Finish>
void run_interleaved(const SuffixArray<Symbol>& array, const Stop* stop, Next next, Finish finish) {
    struct Lane {
        Search<Symbol> search;
        std::size_t slot = 0;
        std::size_t at = 0;
    };
    // Enough to cover a memory access, few enough for the first-level cache.
    std::array<Lane, 32> lanes;
    std::size_t slots = 0;

    const auto fetch_suffix = [&](const Lane& lane) {
        if (lane.search.in_keys())
            lane.search.prefetch_keys(array);
        else
            __builtin_prefetch(array.suffixes.data() + lane.search.rank());
    };
    // Gives the lane a search that needs probing; false when there is none left.
    const auto refill = [&](Lane& lane) {
        while (next(lane.search)) {
            if ((slots & 1023) == 0 && stop) stop->check();
            lane.slot = slots++;
            if (!lane.search.done()) {
                fetch_suffix(lane);
                return true;
            }
            finish(lane.slot, lane.search);
        }
        return false;
    };

    Pacer pacer(stop, 32);
    std::size_t active = 0;
    while (active < lanes.size() && refill(lanes[active])) ++active;
    while (active > 0) {
        pacer.step();
        for (std::size_t i = 0; i < active; ++i) {
            Lane& lane = lanes[i];
            if (lane.search.in_keys()) continue;
            lane.at = array.position(lane.search.rank());
            __builtin_prefetch(array.text.data() + lane.at + std::min(lane.search.known(), array.text.size() - lane.at));
        }
        for (std::size_t i = 0; i < active;) {
            Lane& lane = lanes[i];
            if (lane.search.in_keys())
                lane.search.feed_key(array);
            else
                lane.search.feed(array, lane.at);
            if (!lane.search.done()) {
                fetch_suffix(lane);
                ++i;
                continue;
            }
            finish(lane.slot, lane.search);
            if (refill(lane)) {
                // Its suffix is fetched in the next round.
                ++i;
            } else if (--active != i) {
                // The moved lane has not been fed in this round yet.
                lane = lanes[active];
            }
        }
    }
}

}  // namespace stillhouse
