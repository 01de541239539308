// An index on disk, opened for queries.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "stillhouse/answers.hpp"
#include "stillhouse/manifest.hpp"
#include "stillhouse/search.hpp"
#include "stillhouse/segment.hpp"

namespace stillhouse {

struct OpenOptions {
    bool preload = false;            // read the files into memory instead of mapping them
    std::string tokenizer_sha256{};  // refuse an index of another tokenizer; "" takes any
};

// A place in the corpus.
struct Place {
    std::uint64_t document = 0;
    std::uint64_t offset = 0;  // in tokens from the document's start
};

// Immutable after opening: every member may be called from any number of threads
// at once. Answers are exact. n-grams never cross documents. Arguments out of
// range throw ArgumentError; files found corrupt while answering throw FormatError.
class Index {
  public:
    // Checks the manifest with its checksum, the sizes and headers of all files,
    // and the small tables; verify() checks the rest. Throws FormatError naming
    // the file and the reason. Files must not change while the index is open.
    static std::shared_ptr<const Index> open(const std::filesystem::path& directory, const OpenOptions& options = {});

    std::uint64_t tokens() const { return manifest_.tokens; }
    std::uint64_t documents() const { return manifest_.documents; }
    std::uint64_t distinct_tokens() const { return manifest_.distinct_tokens; }
    // Width of the ids the index was built from: 2 or 4 bytes.
    std::uint32_t token_bytes() const { return manifest_.token_bytes; }
    const std::string& tokenizer_sha256() const { return manifest_.tokenizer_sha256; }
    const Metadata& metadata() const { return manifest_.metadata; }
    // SHA-256 of the manifest, hexadecimal: equal for equal input and options.
    const std::string& digest() const { return digest_; }

    // Occurrences of an n-gram. The empty one occurs once at every token.
    std::uint64_t count(std::span<const std::uint32_t> query) const { return find(query).count(); }

    // Ranks [lo, hi) in suffix order of the occurrences; {0, 0} if there are none.
    Range find(std::span<const std::uint32_t> query) const;

    // Ragged batches: query i is values[offsets[i], offsets[i + 1]), offsets are m + 1,
    // start at 0, end at values.size() and never decrease. Results have m entries, or
    // values.size() where each position has one. All batches answer what single calls
    // would; they throw Stopped as their options tell.
    void count_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                     std::span<std::uint64_t> counts, const CallOptions& options = {}) const;
    void find_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                    std::span<Range> ranges, const CallOptions& options = {}) const;

    // Matching statistics: for each position the length of the longest n-gram that
    // starts there, stays inside its query and occurs in the corpus, and its count.
    // Where no n-gram occurs both are 0.
    void match_lengths(std::span<const std::uint32_t> query, std::span<std::uint32_t> lengths,
                       std::span<std::uint64_t> counts, const CallOptions& options = {}) const;
    void match_lengths_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                             std::span<std::uint32_t> lengths, std::span<std::uint64_t> counts,
                             const CallOptions& options = {}) const;

    // How often a token follows a context, and how often the context occurs; `next`
    // is a token id or end_of_document. infgram_ looks at the longest suffix of the
    // context that occurs instead of the whole.
    Probability prob(std::span<const std::uint32_t> context, NextToken next) const;
    Probability infgram_prob(std::span<const std::uint32_t> context, NextToken next) const;
    void prob_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                    std::span<const NextToken> next, std::span<Probability> out, const CallOptions& options = {}) const;
    void infgram_prob_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                            std::span<const NextToken> next, std::span<Probability> out,
                            const CallOptions& options = {}) const;

    // All that follows each context, with its counts; the `top` most frequent if top > 0
    // (ties: the smaller id).
    Distributions ntd_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                            std::uint64_t top = 0, const CallOptions& options = {}) const;
    Distributions infgram_ntd_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                                    std::uint64_t top = 0, const CallOptions& options = {}) const;

    // infgram_prob of every position of the queries, given the tokens before it.
    void score_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                     std::span<Probability> out, const CallOptions& options = {}) const;

    // Occurrences of the anchor, or of the clause with the fewest, that have one
    // of every other clause in the same document, at most max_distance from start to
    // start. Occurrences of a clause are the positions where any of its n-grams starts.
    std::uint64_t count_cnf(const Cnf& cnf, std::uint64_t max_distance, const CallOptions& options = {}) const;
    // Their positions in the corpus, ascending.
    std::vector<std::uint64_t> find_cnf(const Cnf& cnf, std::uint64_t max_distance,
                                        const CallOptions& options = {}) const;

    // The longest stretches of a query that occur in the corpus, from left to right,
    // none inside another: from each position the longest match, cut behind its first
    // delimiter, then back to the end of a word if wanted; then the short, the
    // too frequent, and those inside others left out.
    std::vector<Span> attribute(std::span<const std::uint32_t> query, const SpanOptions& spans,
                                const CallOptions& options = {}) const;

    // Up to `limit` different documents with an n-gram, each with one occurrence of it,
    // drawn without replacement by occurrence; the same for the same seed.
    std::vector<Place> search_docs(std::span<const std::uint32_t> query, std::uint64_t limit, std::uint64_t seed,
                                   const CallOptions& options = {}) const;

    // The place of a token by its position in the corpus, in [0, tokens()).
    Place place_of_position(std::uint64_t position) const;

    // The place of the occurrence with a rank in [0, tokens()).
    Place place_of_rank(std::uint64_t rank) const;

    // Positions in the corpus of the occurrences with ranks [lo, hi); `out` has
    // hi - lo entries.
    void positions(Range ranks, std::span<std::uint64_t> out, const CallOptions& options = {}) const;

    // Number of tokens of a document in [0, documents()), and the tokens.
    std::uint64_t document_length(std::uint64_t document) const;
    void read_document(std::uint64_t document, std::span<std::uint32_t> out) const;

    // Compares every byte with its checksum and the arrays with each other.
    // Throws FormatError naming the file and the reason.
    void verify() const { segment_.verify(); }

  private:
    Probability prob_of(std::span<const std::uint32_t> context, NextToken next, bool longest_suffix) const;
    void probs_of(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                  std::span<const NextToken> next, bool longest_suffix, std::span<Probability> out,
                  const CallOptions& options) const;
    Distributions ntds_of(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                          std::uint64_t top, bool longest_suffix, const CallOptions& options) const;

    Index(const std::filesystem::path& directory, Manifest manifest, std::string digest, bool preload);

    Manifest manifest_;
    std::string digest_;
    Segment segment_;
};

}  // namespace stillhouse
