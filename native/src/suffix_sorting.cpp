#include "stillhouse/suffix_sorting.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "stillhouse/errors.hpp"

namespace stillhouse {
namespace {

using Int = std::int32_t;
using Size = std::ptrdiff_t;

// How far ahead of the scan text (twice this) and targets (this) are fetched.
constexpr Size prefetch_distance = 32;

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

// Fetches what the scan will need: the text before a suffix twice the distance
// ahead, then the slot that suffix will be written to. Step is +1 or -1.
template <Size step>
inline void prefetch(const Int* text, const Int* sa, const Int* cursors, Size i) {
    const Int far = sa[i + step * 2 * prefetch_distance];
    __builtin_prefetch(text + (far > 0 ? far - 1 : 0));
    const Int near = sa[i + step * prefetch_distance];
    __builtin_prefetch(sa + cursors[text[near > 0 ? near - 1 : 0]], 1);
}

// Runs visit over [0, n) from left to right, or from right to left, prefetching
// while there is something ahead.
template <Size step, class Visit>
inline void scan(const Int* text, const Int* sa, const Int* cursors, Size n, Visit visit) {
    const Size guarded = std::max<Size>(0, n - 2 * prefetch_distance);
    const Size first = step > 0 ? 0 : n - 1;
    for (Size k = 0; k < guarded; ++k) {
        const Size i = first + step * k;
        prefetch<step>(text, sa, cursors, i);
        visit(i);
    }
    for (Size k = guarded; k < n; ++k) visit(first + step * k);
}

// An L suffix as the left-to-right pass stores it: marked if its predecessor is S.
inline Int l_entry(const Int* text, Int j) {
    return j > 0 && text[j - 1] < text[j] ? ~j : j;
}

// Puts every LMS suffix somewhere in the end of its bucket, clears the rest, and
// returns their number.
Size seed_unsorted(const Int* text, Int* sa, Size n, Buckets& buckets) {
    std::fill(sa, sa + n, 0);
    Int* cursor = buckets.ends();
    Size lms = 0;
    for_each_lms_backward(text, n, [&](Size i) {
        sa[--cursor[text[i]]] = static_cast<Int>(i);
        ++lms;
    });
    return lms;
}

// Turns seeded LMS suffixes into LMS suffixes sorted by their LMS substrings,
// stored as ~j among zeros. Entries are dropped as soon as they are used.
void induce_substrings(const Int* text, Int* sa, Size n, Buckets& buckets) {
    Int* cursor = buckets.starts();
    const Int last = static_cast<Int>(n - 1);
    sa[cursor[text[last]]++] = l_entry(text, last);
    scan<+1>(text, sa, cursor, n, [=](Size i) {
        Int j = sa[i];
        if (j > 0) {
            sa[i] = 0;
            --j;
            sa[cursor[text[j]]++] = l_entry(text, j);
        } else if (j < 0) {
            sa[i] = ~j;
        }
    });
    cursor = buckets.ends();
    scan<-1>(text, sa, cursor, n, [=](Size i) {
        Int j = sa[i];
        if (j <= 0) return;
        sa[i] = 0;
        --j;
        const Int c = text[j];
        Int entry = j;  // also for j == 0, which takes its slot and no part
        if (j > 0 && text[j - 1] > c) entry = ~j;
        sa[--cursor[c]] = entry;
    });
}

// Turns LMS suffixes in final order, at the ends of their buckets, into the
// whole suffix array.
void induce_suffixes(const Int* text, Int* sa, Size n, Buckets& buckets) {
    Int* cursor = buckets.starts();
    const Int last = static_cast<Int>(n - 1);
    sa[cursor[text[last]]++] = l_entry(text, last);
    scan<+1>(text, sa, cursor, n, [=](Size i) {
        Int j = sa[i];
        sa[i] = ~j;  // what was skipped here is what the second pass induces from
        if (j <= 0) return;
        --j;
        sa[cursor[text[j]]++] = l_entry(text, j);
    });
    cursor = buckets.ends();
    scan<-1>(text, sa, cursor, n, [=](Size i) {
        Int j = sa[i];
        if (j <= 0) {
            sa[i] = ~j;
            return;
        }
        --j;
        const Int c = text[j];
        sa[--cursor[c]] = j == 0 || text[j - 1] > c ? ~j : j;
    });
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
Int name_substrings(const Int* text, Int* sa, Size n, Size lms) {
    // LMS positions are two apart at least, so half a position identifies one.
    Int* slot = sa + lms;
    std::fill(slot, sa + n, 0);
    Size next = -1;
    for_each_lms_backward(text, n, [&](Size i) {
        // The last substring runs into the end of the text: equal to no other.
        slot[i / 2] = next < 0 ? -1 : static_cast<Int>(next - i + 1);
        next = i;
    });
    Int names = 0;
    Int previous = 0;
    Int previous_length = -1;
    for (Size i = 0; i < lms; ++i) {
        if (i + prefetch_distance < lms) {
            const Int ahead = sa[i + prefetch_distance];
            __builtin_prefetch(text + ahead);
            __builtin_prefetch(slot + ahead / 2, 1);
        }
        const Int j = sa[i];
        const Int length = slot[j / 2];
        // Types inside follow from the symbols, so equal symbols are enough.
        const bool equal = length > 0 && length == previous_length &&
                           std::equal(text + j, text + j + length, text + previous);
        if (!equal) ++names;
        slot[j / 2] = names;
        previous = j;
        previous_length = length;
    }
    Size out = n;
    for (Size i = n - 1; i >= lms; --i) {
        if (sa[i] > 0) sa[--out] = sa[i] - 1;
    }
    return names;
}

// Moves the LMS suffixes in final order, in sa[0, lms), to the ends of their
// buckets and clears the rest.
void seed_sorted(const Int* text, Int* sa, Size n, Size lms, Buckets& buckets) {
    Int* cursor = buckets.ends();
    std::fill(sa + lms, sa + n, 0);
    // From the right no slot is overwritten before it is read: the i-th smallest
    // suffix never belongs left of slot i.
    for (Size i = lms - 1; i >= 0; --i) {
        const Int j = sa[i];
        sa[i] = 0;
        sa[--cursor[text[j]]] = j;
    }
}

// Sorts one level; each next one is at most half as long, so depth stays below 32.
void sort_level(const Int* text, Int* sa, Size n, Int alphabet_size) {
    if (n == 0) return;
    if (n == 1) {
        sa[0] = 0;
        return;
    }
    Size lms = 0;
    Int names = 0;
    {
        Buckets buckets(text, n, alphabet_size);
        lms = seed_unsorted(text, sa, n, buckets);
        if (lms <= 1) {
            induce_suffixes(text, sa, n, buckets);
            return;
        }
        induce_substrings(text, sa, n, buckets);
        compact(sa, n);
        names = name_substrings(text, sa, n, lms);
    }
    if (names < lms) {
        Int* reduced = sa + n - lms;
        sort_level(reduced, sa, lms, names);
        Size out = lms;
        for_each_lms_backward(text, n, [&](Size i) { reduced[--out] = static_cast<Int>(i); });
        for (Size i = 0; i < lms; ++i) sa[i] = reduced[sa[i]];
    }
    Buckets buckets(text, n, alphabet_size);
    seed_sorted(text, sa, n, lms, buckets);
    induce_suffixes(text, sa, n, buckets);
}

}  // namespace

void sort_suffixes(std::span<const std::int32_t> text, std::int32_t alphabet_size,
                   std::span<std::int32_t> suffixes) {
    if (text.size() != suffixes.size())
        throw ArgumentError("suffixes must be as long as text");
    if (text.size() > max_sortable_length)
        throw ArgumentError("text is longer than 2147483646 symbols; sort it in parts");
    sort_level(text.data(), suffixes.data(), static_cast<Size>(text.size()), alphabet_size);
}

}  // namespace stillhouse
