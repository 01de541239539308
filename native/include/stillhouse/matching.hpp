// Matching statistics, and whole batches of searches.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stillhouse/continuations.hpp"
#include "stillhouse/search.hpp"

namespace stillhouse {

// Finds many queries side by side; get(i) is the i-th, with symbols in [1, K].
template <class Symbol, class Get>
void find_many(const SuffixArray<Symbol>& array, std::size_t number, const Stop* stop, Get get,
               std::span<Range> ranges) {
    constexpr std::size_t distance = 12;
    std::size_t next = 0;
    run_interleaved(
        array, stop,
        [&](Search<Symbol>& search) {
            if (next == number) return false;
            if (array.bigrams && next + distance < number) {
                const std::span<const Symbol> later = get(next + distance);
                if (later.size() > 1) array.bigrams->prefetch(later[0], later[1]);
            }
            search = {array, get(next++), Goal::whole};
            return true;
        },
        [&](std::size_t slot, const Search<Symbol>& search) { ranges[slot] = search.range(); });
}

// Matching statistics of a stretch of positions.
//
// With e(i) = i + length(i), the end of the longest match at i, e never decreases;
// while e stays the same, the count never decreases either. So positions between
// two with equal end and equal count have the same, and nobody searches for them:
// text that occurs word for word costs a few long comparisons, not one a position.
template <class Symbol>
class Matcher {
  public:
    Matcher(const SuffixArray<Symbol>& array, const Stop* stop) : array_(array), stop_(stop) {}

    // Positions [begin, end) of a text whose matches may reach up to `limit`; the
    // symbols up to there are in [1, K].
    struct Piece {
        std::size_t begin;
        std::size_t end;
        std::size_t limit;
    };

    // Fills lengths and counts, as long as the text, at the positions of the pieces.
    void match(std::span<const Symbol> text, std::span<const Piece> pieces, std::span<std::uint32_t> lengths,
               std::span<std::uint64_t> counts) {
        gaps_.clear();
        todo_.clear();
        std::size_t positions = 0;
        for (const Piece& piece : pieces) positions += piece.end - piece.begin;
        // Coarse at first, but enough searches to keep all lanes busy.
        const std::size_t stride = std::bit_floor(std::max<std::size_t>(1, positions / 16));
        for (const Piece& piece : pieces) {
            if (piece.begin == piece.end) continue;
            for (std::size_t at = piece.begin;; at = std::min(at + stride, piece.end - 1)) {
                todo_.push_back({at, piece.limit});
                if (at != piece.begin) gaps_.push_back({todo_[todo_.size() - 2].at, at});
                if (at == piece.end - 1) break;
            }
        }
        search(text, lengths, counts);
        while (!gaps_.empty()) {
            todo_.clear();
            next_gaps_.clear();
            for (const Gap& gap : gaps_) bisect(gap, lengths, counts);
            search(text, lengths, counts);
            gaps_.swap(next_gaps_);
        }
    }

  private:
    struct Task {
        std::size_t at;
        std::size_t end;  // the match is known not to go further
    };
    struct Gap {
        std::size_t left;
        std::size_t right;
    };

    void bisect(Gap gap, std::span<std::uint32_t> lengths, std::span<std::uint64_t> counts) {
        if (gap.right - gap.left < 2) return;
        const std::size_t left_end = gap.left + lengths[gap.left];
        const std::size_t right_end = gap.right + lengths[gap.right];
        if (left_end == right_end && counts[gap.left] == counts[gap.right]) {
            for (std::size_t i = gap.left + 1; i < gap.right; ++i) {
                lengths[i] = static_cast<std::uint32_t>(left_end - i);
                counts[i] = counts[gap.left];
            }
            return;
        }
        const std::size_t middle = gap.left + (gap.right - gap.left) / 2;
        todo_.push_back({middle, right_end});
        next_gaps_.push_back({gap.left, middle});
        next_gaps_.push_back({middle, gap.right});
    }

    void search(std::span<const Symbol> text, std::span<std::uint32_t> lengths, std::span<std::uint64_t> counts) {
        std::size_t next = 0;
        run_interleaved(
            array_, stop_,
            [&](Search<Symbol>& search) {
                if (next == todo_.size()) return false;
                const Task& task = todo_[next++];
                if (array_.bigrams && next + 8 < todo_.size() && todo_[next + 8].at + 1 < text.size())
                    array_.bigrams->prefetch(text[todo_[next + 8].at], text[todo_[next + 8].at + 1]);
                search = {array_, text.subspan(task.at, task.end - task.at), Goal::longest};
                return true;
            },
            [&](std::size_t slot, const Search<Symbol>& search) {
                const std::size_t at = todo_[slot].at;
                lengths[at] = static_cast<std::uint32_t>(search.matched());
                // The empty match is everywhere, but no match counts nothing.
                counts[at] = search.matched() == 0 ? 0 : search.range().count();
            });
    }

    const SuffixArray<Symbol>& array_;
    const Stop* stop_;
    std::vector<Task> todo_;
    std::vector<Gap> gaps_;
    std::vector<Gap> next_gaps_;
};

}  // namespace stillhouse
