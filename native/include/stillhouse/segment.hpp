// One self-contained part of an index: its files in memory and what they answer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "stillhouse/alphabet.hpp"
#include "stillhouse/answers.hpp"
#include "stillhouse/manifest.hpp"
#include "stillhouse/memory.hpp"
#include "stillhouse/search.hpp"

namespace stillhouse {

class Segment {
  public:
    // Opens the files of `entry` and checks sizes, headers, and the tables that
    // are small beside the text. Throws FormatError naming the file and the reason.
    Segment(const std::filesystem::path& directory, const SegmentEntry& entry, bool preload);

    std::uint64_t tokens() const { return entry_.tokens; }
    std::uint64_t documents() const { return entry_.documents; }

    // Batches: query i is values[offsets[i], offsets[i + 1]); offsets ascend, and
    // values outside [offsets.front(), offsets.back()) are not looked at.

    // Ranks of the suffixes that start with each query; {0, 0} if none does.
    void find_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets, const Stop* stop,
                    std::span<Range> ranges) const;

    // Matching statistics: lengths[j] is the length of the longest n-gram of the
    // corpus that starts at values[j] and stays inside its query, counts[j] how
    // often it occurs; both 0 where the token is unknown. As many as values.
    void match_lengths_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                             const CallOptions& options, std::span<std::uint32_t> lengths,
                             std::span<std::uint64_t> counts) const;

    // How likely next[i] follows the i-th context: the whole one, or its longest
    // suffix that occurs.
    void prob_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                    std::span<const NextToken> next, bool longest_suffix, const Stop* stop,
                    std::span<Probability> out) const;

    // All that follows each context; only the `top` most frequent if top > 0.
    void ntd_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets, std::uint64_t top,
                   bool longest_suffix, const Stop* stop, Distributions& out) const;

    // For each position of a sequence how likely its token follows the longest
    // suffix before it that occurs.
    void score(std::span<const std::uint32_t> tokens, const Stop* stop, std::span<Probability> out) const;

    // Occurrences of the clause that has fewest (of the first such) with every other
    // one at most max_distance away, start to start, in the same document. Their
    // positions in the corpus go to `positions`, if given, in no special order.
    std::uint64_t cooccurrences(const Cnf& cnf, std::uint64_t max_distance, const Stop* stop,
                                std::vector<std::uint64_t>* positions) const;

    // Document and offset of the token with a rank in [0, tokens()).
    std::pair<std::uint64_t, std::uint64_t> locate(std::uint64_t rank) const;

    // Document and offset of a token position in [0, tokens()).
    std::pair<std::uint64_t, std::uint64_t> document_at(std::uint64_t position) const;

    // Token positions [first, last) of a document in [0, documents()).
    std::pair<std::uint64_t, std::uint64_t> document_bounds(std::uint64_t document) const;

    // Copies the token ids of a document; `out` has its length.
    void read_document(std::uint64_t document, std::span<std::uint32_t> out) const;

    // Compares every file with its checksum and the arrays with each other.
    // Throws FormatError naming the file and the reason.
    void verify() const;

  private:
    const Region& region(Role role) const { return regions_[static_cast<std::size_t>(role) - 1]; }
    template <class T>
    std::span<const T> elements(Role role) const;
    [[noreturn]] void fail(Role role, const std::string& reason) const;

    template <class Symbol>
    void add_bigrams(SuffixArray<Symbol>& array);
    template <class Symbol>
    void add_keys(SuffixArray<Symbol>& array);

    // Document and offset of a place in the text that is no document's end.
    std::pair<std::uint64_t, std::uint64_t> locate_text(std::uint64_t at) const;

    // The id of a symbol from the text, or end_of_document.
    NextToken next_token(std::uint32_t symbol) const;
    // The symbol of a token or end that may follow; nothing if it never does.
    template <class Symbol>
    std::optional<Symbol> next_symbol(NextToken token) const;

    void check_header(Role role) const;
    void check_alphabet() const;
    void check_documents() const;
    void check_buckets() const;
    void verify_documents() const;
    void verify_suffixes() const;

    std::filesystem::path directory_;
    SegmentEntry entry_;
    std::array<Region, roles.size()> regions_;
    Alphabet alphabet_;
    std::span<const std::uint64_t> document_offsets_;
    std::unique_ptr<const Bigrams> bigrams_;  // only in memory, only of preloaded files
    std::variant<Keys<std::uint16_t>, Keys<std::uint32_t>> keys_;  // likewise
    std::variant<SuffixArray<std::uint16_t>, SuffixArray<std::uint32_t>> array_;
};

}  // namespace stillhouse
