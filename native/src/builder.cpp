#include "stillhouse/builder.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "bounded_sorting.hpp"
#include "staging.hpp"
#include "stillhouse/alphabet.hpp"
#include "stillhouse/array_writer.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/json.hpp"
#include "stillhouse/memory.hpp"
#include "stillhouse/pool.hpp"
#include "stillhouse/version.hpp"

namespace stillhouse {
namespace {

using Rank = std::int32_t;

void check_offsets(std::span<const std::uint64_t> offsets, std::uint64_t tokens) {
    const auto number = [](std::uint64_t n) { return std::to_string(n); };
    if (offsets.empty())
        throw ArgumentError("doc_offsets is empty; pass D + 1 offsets, [0] for no documents");
    if (offsets.front() != 0)
        throw ArgumentError("doc_offsets starts at " + number(offsets.front()) + "; it must start at 0");
    for (std::size_t i = 1; i < offsets.size(); ++i) {
        if (offsets[i] < offsets[i - 1])
            throw ArgumentError("doc_offsets[" + number(i) + "] = " + number(offsets[i]) + " is below " +
                                number(offsets[i - 1]) + " before it; offsets must not decrease");
    }
    if (offsets.back() != tokens)
        throw ArgumentError("doc_offsets ends at " + number(offsets.back()) + "; it must end at len(tokens) = " +
                            number(tokens));
}

void check_options(const BuildOptions& options) {
    const std::string& sha = options.tokenizer_sha256;
    if (!sha.empty() && (sha.size() != 64 || sha.find_first_not_of("0123456789abcdef") != std::string::npos))
        throw ArgumentError("tokenizer_sha256 must be empty or 64 lower-case hexadecimal digits");
    std::vector<std::string> keys;
    for (const auto& [key, value] : options.metadata) {
        if (!is_utf8(key) || !is_utf8(value)) throw ArgumentError("metadata must be valid UTF-8");
        keys.push_back(key);
    }
    std::sort(keys.begin(), keys.end());
    if (std::adjacent_find(keys.begin(), keys.end()) != keys.end())
        throw ArgumentError("metadata holds a key twice; keys must be unique");
}

void check_size(std::uint64_t tokens, std::uint64_t documents) {
    if (tokens <= max_segment_positions && documents <= max_segment_positions - tokens) return;
    throw BuildError("the corpus has " + std::to_string(tokens) + " tokens in " + std::to_string(documents) +
                     " documents; an index holds at most " + std::to_string(max_segment_positions) +
                     " tokens and documents together, so split the corpus into several indexes");
}

// Identifies the input, so that files of different segments cannot be mixed.
template <class Token>
std::uint64_t content_id(std::span<const Token> tokens, std::span<const std::uint64_t> offsets) {
    return xxh64(tokens.data(), tokens.size_bytes(),
                 xxh64(offsets.data(), offsets.size_bytes(), sizeof(Token)));
}

// The symbol of a token that was there when the alphabet was made.
template <class Token>
std::uint32_t symbol_of(const Alphabet& alphabet, Token token) {
    const std::uint32_t symbol = alphabet.symbol(token);
    // The caller's array is read twice; sorting unknown symbols would be undefined.
    if (symbol == 0) throw BuildError("tokens changed during the build");
    return symbol;
}

// The text of a part to sort: the end of its document d is symbol d, so that
// suffixes that are equal up to their document's end are ordered by position, and
// token symbols follow.
template <class Token>
Region sortable_text(std::span<const Token> tokens, std::span<const std::uint64_t> offsets, const Part& part,
                     const Alphabet& alphabet, unsigned threads) {
    constexpr std::size_t pieces = 16;
    const std::size_t documents = part.last - part.first;
    Region region = Region::allocate(part.length * sizeof(Rank));
    run_parallel(pieces, threads, [&](std::size_t piece) {
        const std::size_t first = documents * piece / pieces;
        auto* out = reinterpret_cast<Rank*>(region.mutable_data()) + first + offsets[part.first + first] -
                    offsets[part.first];
        for (std::size_t d = first; d < documents * (piece + 1) / pieces; ++d) {
            for (std::uint64_t i = offsets[part.first + d]; i < offsets[part.first + d + 1]; ++i)
                *out++ = static_cast<Rank>(documents + symbol_of(alphabet, tokens[i]) - 1);
            *out++ = static_cast<Rank>(d);
        }
    });
    return region;
}

// The files of one segment, written as their contents become known.
class SegmentWriter {
  public:
    SegmentWriter(const std::filesystem::path& directory, SegmentEntry& entry)
        : directory_(directory), entry_(entry) {}

    template <class T>
    void write(Role role, std::span<const T> elements) {
        ArrayWriter writer = open(role);
        writer.append(elements);
        entry_.file(role) = writer.finish();
    }

    // The text and the first rank of every symbol: one past the symbols below.
    template <class Symbol, class Token>
    void write_text(std::span<const Token> tokens, std::span<const std::uint64_t> offsets, const Alphabet& alphabet) {
        std::vector<std::uint32_t> first(entry_.distinct_tokens + 2, 0);
        ArrayWriter writer = open(Role::text);
        std::vector<Symbol> piece;
        piece.reserve(piece_elements);
        const auto push = [&](std::uint32_t symbol) {
            piece.push_back(static_cast<Symbol>(symbol));
            if (piece.size() < piece_elements) return;
            writer.append(std::span<const Symbol>(piece));
            piece.clear();
        };
        for (std::size_t d = 0; d + 1 < offsets.size(); ++d) {
            for (std::uint64_t i = offsets[d]; i < offsets[d + 1]; ++i) {
                const std::uint32_t symbol = symbol_of(alphabet, tokens[i]);
                ++first[symbol + std::size_t{1}];
                push(symbol);
            }
            push(0);
        }
        writer.append(std::span<const Symbol>(piece));
        entry_.file(Role::text) = writer.finish();
        for (std::size_t s = 1; s < first.size(); ++s) first[s] += first[s - 1];
        write(Role::buckets, std::span<const std::uint32_t>(first));
    }

    ArrayWriter open(Role role) const {
        return ArrayWriter(directory_, entry_, role, std::string("segment-0.") + role_name(role));
    }

  private:
    static constexpr std::size_t piece_elements = 1 << 16;

    const std::filesystem::path& directory_;
    SegmentEntry& entry_;
};

// How to sort within the memory there is.
struct Plan {
    std::vector<Part> parts;  // one or none: all at once
    unsigned threads = 1;
};

Plan plan_sorting(std::span<const std::uint64_t> offsets, std::uint64_t distinct, const BuildOptions& options) {
    const std::uint64_t positions = offsets.back() + offsets.size() - 1;
    // What a build takes whatever its size: buffers, and tables over the alphabet.
    const std::uint64_t tables = (16 << 20) + 24 * distinct;
    const std::uint64_t limit = options.memory_limit;
    if (limit == 0 || tables + positions * bytes_per_position <= limit) return {};
    std::uint64_t longest = 1;
    for (std::size_t d = 0; d + 1 < offsets.size(); ++d) longest = std::max(longest, offsets[d + 1] - offsets[d] + 1);
    const std::uint64_t needed = tables + longest * bytes_per_merged_position;
    if (needed > limit)
        throw BuildError("the longest document, of " + std::to_string(longest - 1) +
                         " tokens, can't be sorted within memory_limit; raise it to " + std::to_string(needed));
    const std::uint64_t room = (limit - tables) / bytes_per_merged_position;
    const unsigned wanted = options.threads == 0 ? available_threads() : options.threads;
    const auto threads = static_cast<unsigned>(std::min<std::uint64_t>(wanted, room / longest));
    return {cut_into_parts(offsets, room / threads), threads};
}

// Sorts everything at once.
template <class Token>
void write_suffixes(SegmentWriter& writer, std::span<const Token> tokens, std::span<const std::uint64_t> offsets,
                    const Alphabet& alphabet, const SegmentEntry& entry, unsigned threads) {
    const Part all{0, entry.documents, 0, entry.tokens + entry.documents};
    const Region text = sortable_text(tokens, offsets, all, alphabet, threads);
    Region region = Region::allocate(text.size());
    const std::span<Rank> suffixes(reinterpret_cast<Rank*>(region.mutable_data()), all.length);
    sort_suffixes(text.view<Rank>(0), static_cast<Rank>(entry.documents + entry.distinct_tokens), suffixes, threads);
    // The separators come first, one each; they are no suffixes of any document.
    writer.write(Role::suffixes, std::span<const Rank>(suffixes.subspan(entry.documents)));
}

// Sorts part by part into files beside the index, and merges them from there.
template <class Symbol, class Token>
void merge_suffixes(SegmentWriter& writer, std::span<const Token> tokens, std::span<const std::uint64_t> offsets,
                    const Plan& plan, const Alphabet& alphabet, const std::filesystem::path& directory,
                    SegmentEntry& entry) {
    const std::vector<Part>& parts = plan.parts;
    run_parallel(parts.size(), plan.threads, [&](std::size_t i) {
        const std::string number = std::to_string(i);
        const Region text = sortable_text(tokens, offsets, parts[i], alphabet, 1);
        const auto symbols = static_cast<Rank>(parts[i].last - parts[i].first + entry.distinct_tokens);
        sort_part(text.view<Rank>(0), symbols, parts[i], directory / ("suffixes-" + number),
                  directory / ("prefixes-" + number));
    });
    const Region text = Region::map(directory / entry.file(Role::text).name);
    ArrayWriter suffixes = writer.open(Role::suffixes);
    merge_parts<Symbol>(text.view<Symbol>(sizeof(FileHeader)), parts.size(), directory,
                        [&](std::span<const std::uint32_t> sorted) { suffixes.append(sorted); });
    entry.file(Role::suffixes) = suffixes.finish();
}

template <class Symbol, class Token>
void write_text_and_suffixes(std::span<const Token> tokens, std::span<const std::uint64_t> offsets,
                             const Alphabet& alphabet, const std::filesystem::path& directory,
                             const BuildOptions& options, SegmentEntry& entry) {
    const Plan plan = plan_sorting(offsets, entry.distinct_tokens, options);
    SegmentWriter writer(directory, entry);
    writer.write(Role::alphabet, std::span<const std::uint32_t>(alphabet.ids()));
    writer.write(Role::documents, offsets);
    if (plan.parts.size() > 1) {
        writer.write_text<Symbol>(tokens, offsets, alphabet);
        merge_suffixes<Symbol>(writer, tokens, offsets, plan, alphabet, directory, entry);
        return;
    }
    // Sorting leaves the second thread idle for most of its time.
    run_parallel(2, options.threads, [&](std::size_t piece) {
        if (piece == 0)
            write_suffixes(writer, tokens, offsets, alphabet, entry, options.threads);
        else
            writer.write_text<Symbol>(tokens, offsets, alphabet);
    });
}

template <class Token>
SegmentEntry write_segment(std::span<const Token> tokens, std::span<const std::uint64_t> offsets,
                           const std::filesystem::path& directory, const BuildOptions& options) {
    const Alphabet alphabet(distinct_tokens(tokens));
    SegmentEntry entry;
    entry.content_id = content_id(tokens, offsets);
    entry.tokens = tokens.size();
    entry.documents = offsets.size() - 1;
    entry.distinct_tokens = alphabet.ids().size();
    entry.symbol_bytes = entry.distinct_tokens < 65536 ? 2 : 4;
    if (entry.symbol_bytes == 2)
        write_text_and_suffixes<std::uint16_t>(tokens, offsets, alphabet, directory, options, entry);
    else
        write_text_and_suffixes<std::uint32_t>(tokens, offsets, alphabet, directory, options, entry);
    return entry;
}

void write_manifest(const Manifest& manifest, const std::filesystem::path& directory) {
    const std::string json = manifest.to_json();
    OutputFile file(directory / manifest_name);
    file.write(json.data(), json.size());
    file.sync();
}

template <class Token>
void build_index(std::span<const Token> tokens, std::span<const std::uint64_t> offsets,
                 const std::filesystem::path& directory, const BuildOptions& options) {
    check_offsets(offsets, tokens.size());
    check_options(options);
    check_size(tokens.size(), offsets.size() - 1);
    Staging staging(directory);
    Manifest manifest;
    manifest.engine_version = engine_version;
    manifest.token_bytes = sizeof(Token);
    manifest.tokens = tokens.size();
    manifest.documents = offsets.size() - 1;
    manifest.tokenizer_sha256 = options.tokenizer_sha256;
    manifest.metadata = options.metadata;
    manifest.segments.push_back(write_segment(tokens, offsets, staging.path(), options));
    manifest.distinct_tokens = manifest.segments[0].distinct_tokens;
    write_manifest(manifest, staging.path());
    staging.commit();
}

}  // namespace

void build(std::span<const std::uint16_t> tokens, std::span<const std::uint64_t> doc_offsets,
           const std::filesystem::path& directory, const BuildOptions& options) {
    build_index(tokens, doc_offsets, directory, options);
}

void build(std::span<const std::uint32_t> tokens, std::span<const std::uint64_t> doc_offsets,
           const std::filesystem::path& directory, const BuildOptions& options) {
    build_index(tokens, doc_offsets, directory, options);
}

}  // namespace stillhouse
