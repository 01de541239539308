// One self-contained part of an index: its files in memory and what they answer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <variant>

#include "stillhouse/alphabet.hpp"
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

    // Ranks of the suffixes that start with `query`; {0, 0} if none does.
    Range find(std::span<const std::uint32_t> query) const;

    // The same for many: query i is values[offsets[i], offsets[i + 1]).
    //
    //   offsets  m + 1 ascending offsets into values, from 0 to its size
    //   ranges   receives m ranges
    void find_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                    std::span<Range> ranges) const;

    // Matching statistics of the same queries: lengths[j] is the length of the
    // longest n-gram of the corpus that starts at values[j] and stays inside its
    // query, counts[j] how often it occurs; both 0 where the token is unknown.
    //
    //   lengths, counts  as many entries as values
    void match_lengths_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                             std::span<std::uint32_t> lengths, std::span<std::uint64_t> counts) const;

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
    std::variant<SuffixArray<std::uint16_t>, SuffixArray<std::uint32_t>> array_;
};

}  // namespace stillhouse
