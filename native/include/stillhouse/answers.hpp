// What queries about the next token answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "stillhouse/stop.hpp"

namespace stillhouse {

// A token id, or the end of a document.
using NextToken = std::int64_t;
inline constexpr NextToken end_of_document = -1;

// How often a context occurs, and how often a token follows it. Each occurrence of
// a context is followed by one token or by the end of its document; the empty
// context stands before all tokens and all ends.
struct Probability {
    std::uint64_t context_count = 0;
    std::uint64_t count = 0;
    std::uint64_t suffix_length = 0;  // tokens of the context that were used
    bool sparse = false;              // one single kind of token, or end, follows
};

// Distributions one after the other: the i-th has entries [offsets[i], offsets[i + 1]).
struct Distributions {
    std::vector<NextToken> tokens;  // ascending, the end first; or by falling count
    std::vector<std::uint64_t> counts;
    std::vector<std::uint64_t> offsets{0};
    std::vector<std::uint64_t> context_counts;
    std::vector<std::uint64_t> suffix_lengths;
    std::vector<std::uint8_t> sparse;

    void append(const Distributions& more);
};

// A stretch of a query that occurs in the corpus.
struct Span {
    std::uint64_t begin;
    std::uint64_t end;
    std::uint64_t lo;  // ranks of the occurrences
    std::uint64_t hi;
};

struct SpanOptions {
    std::uint64_t min_length = 1;
    std::uint64_t max_count = UINT64_MAX;
    std::vector<std::uint32_t> delimiters;  // may only end a span; ascending
    bool whole_words = false;               // spans begin and end where words do
    std::vector<std::uint32_t> word_starts;  // tokens that begin a word; ascending
};

// An AND of ORs, flat: n-gram i is values[offsets[i], offsets[i + 1]), clause j the
// n-grams [clauses[j], clauses[j + 1]).
struct Cnf {
    std::vector<std::uint32_t> values;
    std::vector<std::uint64_t> offsets;
    std::vector<std::uint64_t> clauses;
    // The clause whose occurrences are told; none: the one with the fewest (the first of those).
    std::optional<std::size_t> anchor = std::nullopt;
};

// How a call works, never what it answers.
struct CallOptions {
    unsigned threads = 1;        // 0: all of the machine
    const Stop* stop = nullptr;  // not owned; checked every few milliseconds at most
};

}  // namespace stillhouse
