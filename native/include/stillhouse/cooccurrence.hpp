// Places where n-grams occur near each other: an AND of ORs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stillhouse/search.hpp"

namespace stillhouse {

// An n-gram that occurs, and where.
template <class Symbol>
struct Term {
    std::span<const Symbol> symbols;  // not empty
    Range range;
};

template <class Symbol>
using Clause = std::vector<Term<Symbol>>;  // any of them

template <class Symbol>
class Cooccurrence {
  public:
    Cooccurrence(const SuffixArray<Symbol>& array, std::size_t max_distance) : array_(array), distance_(max_distance) {}

    // Removes terms whose occurrences another one has too, so that the ranges of a
    // clause are disjoint (ranges of n-grams nest or are disjoint), and those that
    // don't occur. Returns the number of the clause's occurrences.
    static std::uint64_t reduce(Clause<Symbol>& clause) {
        std::erase_if(clause, [](const Term<Symbol>& term) { return term.range.count() == 0; });
        std::sort(clause.begin(), clause.end(), [](const Term<Symbol>& a, const Term<Symbol>& b) {
            return a.range.lo != b.range.lo ? a.range.lo < b.range.lo : a.range.hi > b.range.hi;
        });
        std::uint64_t occurrences = 0;
        std::uint64_t covered = 0;
        std::erase_if(clause, [&](const Term<Symbol>& term) {
            if (term.range.hi <= covered) return true;
            covered = term.range.hi;
            occurrences += term.range.count();
            return false;
        });
        return occurrences;
    }

    // Calls found(position in text) for each occurrence of `anchor` that has an
    // occurrence of every other clause near, in suffix order.
    template <class Found>
    void run(const Clause<Symbol>& anchor, std::span<const Clause<Symbol>* const> others, const Stop* stop,
             Found found) const {
        std::vector<Scan> scans;
        for (const Clause<Symbol>* clause : others) scans.push_back(prepare(*clause));
        Pacer pacer(stop, std::max<std::size_t>(1, 2'000'000 / (2 * std::min<std::size_t>(distance_, 1'000'000) + 1000)));
        constexpr std::uint64_t ahead = 8;
        for (const Term<Symbol>& term : anchor) {
            for (std::uint64_t rank = term.range.lo; rank < term.range.hi; ++rank) {
                pacer.step();
                if (!scans.empty() && rank + ahead < term.range.hi) fetch(array_.position(rank + ahead));
                const std::size_t at = array_.position(rank);
                if (std::all_of(scans.begin(), scans.end(), [&](const Scan& scan) { return near(at, scan); })) found(at);
            }
        }
    }

  private:
    // A term by its rarest symbol.
    struct Needle {
        std::span<const Symbol> symbols;
        Symbol rarest;
        std::size_t offset;
    };
    // A clause to look for around a place: by its sorted positions if it has few
    // occurrences, else by reading the text.
    struct Scan {
        std::vector<std::size_t> positions;
        std::vector<Needle> needles;
    };

    Scan prepare(const Clause<Symbol>& clause) const {
        Scan scan;
        std::uint64_t occurrences = 0;
        for (const Term<Symbol>& term : clause) occurrences += term.range.count();
        if (occurrences <= 64) {
            for (const Term<Symbol>& term : clause) {
                for (std::uint64_t rank = term.range.lo; rank < term.range.hi; ++rank)
                    scan.positions.push_back(array_.position(rank));
            }
            std::sort(scan.positions.begin(), scan.positions.end());
            return scan;
        }
        for (const Term<Symbol>& term : clause) {
            const auto rarest = std::min_element(term.symbols.begin(), term.symbols.end(), [&](Symbol a, Symbol b) {
                return array_.bucket(a).count() < array_.bucket(b).count();
            });
            scan.needles.push_back({term.symbols, *rarest, static_cast<std::size_t>(rarest - term.symbols.begin())});
        }
        return scan;
    }

    void fetch(std::size_t at) const {
        const Symbol* text = array_.text.data();
        const std::size_t reach = std::min<std::size_t>(distance_, 128);
        constexpr std::size_t line = 64 / sizeof(Symbol);
        const std::size_t last = std::min(at + reach, array_.text.size());
        for (std::size_t i = at - std::min(at, reach); i < last; i += line) __builtin_prefetch(text + i);
    }

    bool near(std::size_t at, const Scan& scan) const {
        if (scan.needles.empty()) return near_positions(at, scan.positions);
        return std::any_of(scan.needles.begin(), scan.needles.end(),
                           [&](const Needle& needle) { return near_text(at, needle); });
    }

    bool near_positions(std::size_t at, const std::vector<std::size_t>& positions) const {
        const std::size_t from = at - std::min(at, distance_);
        for (auto p = std::lower_bound(positions.begin(), positions.end(), from);
             p != positions.end() && (*p <= at || *p - at <= distance_); ++p) {
            const auto [first, last] = std::minmax(at, *p);
            const auto text = array_.text.subspan(first, last - first);
            if (std::find(text.begin(), text.end(), Symbol{0}) == text.end()) return true;
        }
        return false;
    }

    // Reads outwards in pieces up to the distance or the document's end.
    bool near_text(std::size_t at, const Needle& needle) const {
        constexpr std::size_t piece = 64;
        const Symbol* text = array_.text.data();
        const std::size_t size = array_.text.size();
        const std::size_t reach = distance_ + needle.offset;  // of the rarest symbol, to the right
        // Where the needle may start: [lowest, highest]. The rarest symbol stands
        // `offset` behind, so it is looked for in [lowest + offset, highest + offset].
        const std::size_t highest = size - at > reach ? at + reach + 1 : size;
        for (std::size_t from = at; from < highest; from += piece) {
            const std::size_t to = std::min(from + piece, highest);
            bool ended = false;
            if (search_piece(text, from, to, at, needle, ended)) return true;
            if (ended) break;
        }
        const std::size_t lowest = at - std::min(at, distance_);
        for (std::size_t to = at; to > lowest;) {
            const std::size_t from = to - lowest > piece ? to - piece : lowest;
            if (!any_of_piece(text, from, to, needle)) {
                to = from;
                continue;
            }
            // Only what follows the last document end in the piece counts.
            std::size_t start = to;
            while (start > from && text[start - 1] != 0) --start;
            bool ended = false;
            if (search_piece(text, start, to, at, needle, ended)) return true;
            if (start > from) break;
            to = from;
        }
        return false;
    }

    // Whether anything in [from, to) needs a closer look.
    static bool any_of_piece(const Symbol* text, std::size_t from, std::size_t to, const Needle& needle) {
        Symbol any = 0;
        for (std::size_t i = from; i < to; ++i)
            any |= static_cast<Symbol>(static_cast<int>(text[i] == needle.rarest) | static_cast<int>(text[i] == 0));
        return any != 0;
    }

    // Looks for the needle by its rarest symbol in [from, to). Sets `ended` if a
    // document ends there, which is where it stops.
    bool search_piece(const Symbol* text, std::size_t from, std::size_t to, std::size_t at, const Needle& needle,
                      bool& ended) const {
        if (!any_of_piece(text, from, to, needle)) return false;
        for (std::size_t i = from; i < to; ++i) {
            if (text[i] == 0) {
                ended = true;
                return false;
            }
            if (text[i] != needle.rarest || i < needle.offset) continue;
            const std::size_t start = i - needle.offset;
            const std::size_t apart = start > at ? start - at : at - start;
            if (apart > distance_ || array_.text.size() - start < needle.symbols.size()) continue;
            if (std::equal(needle.symbols.begin(), needle.symbols.end(), text + start)) return true;
        }
        return false;
    }

    const SuffixArray<Symbol>& array_;
    std::size_t distance_;
};

}  // namespace stillhouse
