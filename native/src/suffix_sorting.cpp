#include "stillhouse/suffix_sorting.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "stillhouse/errors.hpp"
#include "stillhouse/pool.hpp"

namespace stillhouse {
namespace {

using Int = std::int32_t;
using Size = std::ptrdiff_t;

// How far ahead of the scan text (twice this) and targets (this) are fetched.
constexpr Size prefetch_distance = 32;

// Runs work(begin, end) over the pieces of [0, n), each of a size worth a thread.
template <class Work>
void in_pieces(Size n, unsigned threads, Work work) {
    constexpr Size piece = Size{1} << 20;
    const auto pieces = static_cast<std::size_t>((n + piece - 1) / piece);
    run_parallel(pieces, threads, [&](std::size_t i) {
        const Size begin = static_cast<Size>(i) * piece;
        work(begin, std::min(begin + piece, n));
    });
}

void clear(Int* begin, Int* end, unsigned threads) {
    in_pieces(end - begin, threads, [=](Size from, Size to) { std::fill(begin + from, begin + to, 0); });
}

// Terms: suffix i is of type S if it is smaller than suffix i + 1, else of type
// L; the last suffix is L. An S suffix with an L suffix before it is an LMS
// suffix. While inducing, an entry ~j stands for "suffix j is in place, but this
// pass must not induce from it", and 0 for an empty slot: suffix 0 has no
// predecessor, so nothing is ever induced from it.

// The slots of the suffix array that belong to each symbol.
class Buckets {
  public:
    Buckets(const Int* text, Size n, Int alphabet_size)
        : counts_(static_cast<std::size_t>(alphabet_size), 0),
          cursors_(static_cast<std::size_t>(alphabet_size)) {
        for (Size i = 0; i < n; ++i) ++counts_[static_cast<std::size_t>(text[i])];
    }

    // Cursors at the first slot of every bucket.
    Int* starts() {
        Int sum = 0;
        for (std::size_t c = 0; c < counts_.size(); ++c) {
            cursors_[c] = sum;
            sum += counts_[c];
        }
        return cursors_.data();
    }

    // Cursors one past the last slot of every bucket.
    Int* ends() {
        Int sum = 0;
        for (std::size_t c = 0; c < counts_.size(); ++c) {
            sum += counts_[c];
            cursors_[c] = sum;
        }
        return cursors_.data();
    }

  private:
    std::vector<Int> counts_;
    std::vector<Int> cursors_;
};

// Calls visit(i) for every LMS position, from right to left.
template <class Visit>
void for_each_lms_backward(const Int* text, Size n, Visit visit) {
    bool next_is_s = false;
    for (Size i = n - 2; i >= 0; --i) {
        const bool is_s = text[i] < text[i + 1] || (text[i] == text[i + 1] && next_is_s);
        if (next_is_s && !is_s) visit(i + 1);
        next_is_s = is_s;
    }
}

// A pass of induction visits the slots from left to right (step +1) or from right
// to left (-1) and puts the predecessor of every suffix j > 0 it finds into the next
// free slot of its bucket. left(j) is what stays in the slot that was visited;
// entry(text, j) is how the predecessor, suffix j, is stored: marked if this pass
// must not induce from it.

// Stores L suffixes, from all LMS suffixes on; marked if the predecessor is S.
struct ForwardPass {
    static constexpr Size step = +1;
    static Int entry(const Int* text, Int j) { return j > 0 && text[j - 1] < text[j] ? ~j : j; }
};

// Leaves the L suffixes that the pass back starts from, drops all others.
struct SubstringsForward : ForwardPass {
    static Int left(Int j) { return j < 0 ? ~j : 0; }
};

// Leaves LMS suffixes sorted by their substrings, as ~j among zeros.
struct SubstringsBackward {
    static constexpr Size step = -1;
    static Int left(Int j) { return j > 0 ? 0 : j; }
    static Int entry(const Int* text, Int j) { return j > 0 && text[j - 1] > text[j] ? ~j : j; }
};

// What was skipped here is what the pass back induces from.
struct SuffixesForward : ForwardPass {
    static Int left(Int j) { return ~j; }
};

// Leaves the suffix array.
struct SuffixesBackward {
    static constexpr Size step = -1;
    static Int left(Int j) { return j > 0 ? j : ~j; }
    static Int entry(const Int* text, Int j) { return j == 0 || text[j - 1] > text[j] ? ~j : j; }
};

// The next free slot of a bucket.
template <class Pass>
inline Int take_slot(Int* cursors, Int symbol) {
    return Pass::step > 0 ? cursors[symbol]++ : --cursors[symbol];
}

// Visits one slot.
template <class Pass>
inline void visit(const Int* text, Int* sa, Int* cursors, Size i) {
    const Int j = sa[i];
    sa[i] = Pass::left(j);
    if (j > 0) sa[take_slot<Pass>(cursors, text[j - 1])] = Pass::entry(text, j - 1);
}

// While a slot is visited, the text before a suffix twice the distance ahead and the
// slot that one at the distance will be written to are fetched.
template <class Pass>
void induce(const Int* text, Int* sa, Size n, Int* cursors) {
    const Size guarded = std::max<Size>(0, n - 2 * prefetch_distance);
    const Size first = Pass::step > 0 ? 0 : n - 1;
    for (Size k = 0; k < guarded; ++k) {
        const Size i = first + Pass::step * k;
        const Int far = sa[i + Pass::step * 2 * prefetch_distance];
        __builtin_prefetch(text + (far > 0 ? far - 1 : 0));
        const Int near = sa[i + Pass::step * prefetch_distance];
        __builtin_prefetch(sa + cursors[text[near > 0 ? near - 1 : 0]], 1);
        visit<Pass>(text, sa, cursors, i);
    }
    for (Size k = guarded; k < n; ++k) visit<Pass>(text, sa, cursors, first + Pass::step * k);
}

// Induces everything from LMS suffixes at the ends of their buckets.
template <class Forward, class Backward>
void induce_both_ways(const Int* text, Int* sa, Size n, Buckets& buckets) {
    Int* cursors = buckets.starts();
    const Int last = static_cast<Int>(n - 1);  // an L suffix that no other one induces
    sa[take_slot<Forward>(cursors, text[last])] = Forward::entry(text, last);
    induce<Forward>(text, sa, n, cursors);
    induce<Backward>(text, sa, n, buckets.ends());
}

// Puts every LMS suffix somewhere in the end of its bucket, clears the rest, and
// returns their number.
Size seed_unsorted(const Int* text, Int* sa, Size n, Buckets& buckets, unsigned threads) {
    clear(sa, sa + n, threads);
    Int* cursor = buckets.ends();
    Size lms = 0;
    for_each_lms_backward(text, n, [&](Size i) {
        sa[--cursor[text[i]]] = static_cast<Int>(i);
        ++lms;
    });
    return lms;
}

// Gathers the ~j entries at the front of the array.
void compact(Int* sa, Size n) {
    Size out = 0;
    for (Size i = 0; i < n; ++i) {
        const Int j = sa[i];
        if (j < 0) sa[out++] = ~j;
    }
}

// Names the LMS substrings, sorted in sa[0, lms), by rank; equal ones share a
// name. Leaves the names in text order in sa[n - lms, n) and returns their number.
Int name_substrings(const Int* text, Int* sa, Size n, Size lms, unsigned threads) {
    // LMS positions are two apart at least, so half a position identifies one.
    Int* slot = sa + lms;
    clear(slot, sa + n, threads);
    Size next = -1;
    for_each_lms_backward(text, n, [&](Size i) {
        // The last substring runs into the end of the text: equal to no other.
        slot[i / 2] = next < 0 ? -1 : static_cast<Int>(next - i + 1);
        next = i;
    });
    const Size piece = std::max<Size>(Size{1} << 16, lms / 256 + 1);
    const auto pieces = static_cast<std::size_t>((lms + piece - 1) / piece);
    const auto each_piece = [&](auto work) {
        run_parallel(pieces, threads, [&](std::size_t i) {
            const Size begin = static_cast<Size>(i) * piece;
            work(i, begin, std::min(begin + piece, lms));
        });
    };
    // First which substrings differ from the one before, as ~j; the pieces' first
    // neighbours are taken out before anybody marks them.
    std::vector<Int> before(pieces, 0);
    for (std::size_t i = 1; i < pieces; ++i) before[i] = sa[static_cast<Size>(i) * piece - 1];
    std::vector<Int> names(pieces, 0);
    each_piece([&](std::size_t i, Size begin, Size end) {
        Int previous = before[i];
        Int previous_length = begin > 0 ? slot[previous / 2] : -1;
        for (Size k = begin; k < end; ++k) {
            if (k + prefetch_distance < end) {
                const Int ahead = sa[k + prefetch_distance];
                __builtin_prefetch(text + ahead);
                __builtin_prefetch(slot + ahead / 2);
            }
            const Int j = sa[k];
            const Int length = slot[j / 2];
            // Types inside follow from the symbols, so equal symbols are enough.
            const bool equal = length > 0 && length == previous_length &&
                               std::equal(text + j, text + j + length, text + previous);
            if (!equal) {
                sa[k] = ~j;
                ++names[i];
            }
            previous = j;
            previous_length = length;
        }
    });
    Int total = 0;
    for (Int& count : names) total += std::exchange(count, total);
    each_piece([&](std::size_t i, Size begin, Size end) {
        Int name = names[i];
        for (Size k = begin; k < end; ++k) {
            if (k + prefetch_distance < end) {
                const Int ahead = sa[k + prefetch_distance];
                __builtin_prefetch(slot + (ahead < 0 ? ~ahead : ahead) / 2, 1);
            }
            if (sa[k] < 0) {
                sa[k] = ~sa[k];
                ++name;
            }
            slot[sa[k] / 2] = name;
        }
    });
    Size out = n;
    for (Size i = n - 1; i >= lms; --i) {
        if (sa[i] > 0) sa[--out] = sa[i] - 1;
    }
    return total;
}

// Turns ranks of LMS suffixes among themselves, sorted in sa[0, lms), into positions.
void restore_positions(const Int* text, Int* sa, Size n, Size lms, unsigned threads) {
    Int* positions = sa + n - lms;
    Size out = lms;
    for_each_lms_backward(text, n, [&](Size i) { positions[--out] = static_cast<Int>(i); });
    in_pieces(lms, threads, [=](Size begin, Size end) {
        for (Size i = begin; i < end; ++i) {
            if (i + prefetch_distance < end) __builtin_prefetch(positions + sa[i + prefetch_distance]);
            sa[i] = positions[sa[i]];
        }
    });
}

// Moves the LMS suffixes in final order, in sa[0, lms), to the ends of their
// buckets and clears the rest.
void seed_sorted(const Int* text, Int* sa, Size n, Size lms, Buckets& buckets, unsigned threads) {
    Int* cursor = buckets.ends();
    clear(sa + lms, sa + n, threads);
    // From the right no slot is overwritten before it is read: the i-th smallest
    // suffix never belongs left of slot i.
    for (Size i = lms - 1; i >= 0; --i) {
        if (i >= prefetch_distance) __builtin_prefetch(text + sa[i - prefetch_distance]);
        const Int j = sa[i];
        sa[i] = 0;
        sa[--cursor[text[j]]] = j;
    }
}

// Sorts one level; each next one is at most half as long, so depth stays below 32.
void sort_level(const Int* text, Int* sa, Size n, Int alphabet_size, unsigned threads) {
    if (n == 0) return;
    if (n == 1) {
        sa[0] = 0;
        return;
    }
    Size lms = 0;
    Int names = 0;
    {
        Buckets buckets(text, n, alphabet_size);
        lms = seed_unsorted(text, sa, n, buckets, threads);
        if (lms <= 1) {
            induce_both_ways<SuffixesForward, SuffixesBackward>(text, sa, n, buckets);
            return;
        }
        induce_both_ways<SubstringsForward, SubstringsBackward>(text, sa, n, buckets);
        compact(sa, n);
        names = name_substrings(text, sa, n, lms, threads);
    }
    if (names < lms) {
        sort_level(sa + n - lms, sa, lms, names, threads);
        restore_positions(text, sa, n, lms, threads);
    }
    Buckets buckets(text, n, alphabet_size);
    seed_sorted(text, sa, n, lms, buckets, threads);
    induce_both_ways<SuffixesForward, SuffixesBackward>(text, sa, n, buckets);
}

}  // namespace

void sort_suffixes(std::span<const std::int32_t> text, std::int32_t alphabet_size,
                   std::span<std::int32_t> suffixes, unsigned threads) {
    if (text.size() != suffixes.size())
        throw ArgumentError("suffixes must be as long as text");
    if (text.size() > max_sortable_length)
        throw ArgumentError("text is longer than 2147483646 symbols; sort it in parts");
    sort_level(text.data(), suffixes.data(), static_cast<Size>(text.size()), alphabet_size, threads);
}

}  // namespace stillhouse
