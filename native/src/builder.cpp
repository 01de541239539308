#include "stillhouse/builder.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "staging.hpp"
#include "stillhouse/alphabet.hpp"
#include "stillhouse/array_writer.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/json.hpp"
#include "stillhouse/memory.hpp"
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

// The text to sort: separator d is symbol d, so that suffixes that are equal up
// to their document's end are ordered by position, and token symbols follow.
template <class Token>
Region sortable_text(std::span<const Token> tokens, std::span<const std::uint64_t> offsets,
                     const Alphabet& alphabet) {
    const std::size_t documents = offsets.size() - 1;
    Region region = Region::allocate((tokens.size() + documents) * sizeof(Rank));
    auto* out = reinterpret_cast<Rank*>(region.mutable_data());
    for (std::size_t d = 0; d < documents; ++d) {
        for (std::uint64_t i = offsets[d]; i < offsets[d + 1]; ++i) {
            const std::uint32_t symbol = alphabet.symbol(tokens[i]);
            // The caller's array is read twice; sorting unknown symbols would be undefined.
            if (symbol == 0) throw BuildError("tokens changed during the build");
            *out++ = static_cast<Rank>(documents + symbol - 1);
        }
        *out++ = static_cast<Rank>(d);
    }
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

    template <class Symbol>
    void write_text(std::span<const Rank> text) {
        ArrayWriter writer = open(Role::text);
        const auto separators = static_cast<Rank>(entry_.documents);
        std::vector<Symbol> piece;
        for (std::size_t start = 0; start < text.size(); start += piece_elements) {
            piece.clear();
            for (const Rank rank : text.subspan(start, std::min(piece_elements, text.size() - start)))
                piece.push_back(rank < separators ? Symbol{0} : static_cast<Symbol>(rank - separators + 1));
            writer.append(std::span<const Symbol>(piece));
        }
        entry_.file(Role::text) = writer.finish();
    }

    // The first rank of every symbol: one past the symbols of smaller rank.
    void write_buckets(std::span<const Rank> text) {
        const auto separators = static_cast<Rank>(entry_.documents);
        std::vector<std::uint32_t> first(entry_.distinct_tokens + 2, 0);
        for (const Rank rank : text) {
            if (rank >= separators) ++first[static_cast<std::size_t>(rank - separators) + 2];
        }
        for (std::size_t s = 1; s < first.size(); ++s) first[s] += first[s - 1];
        write(Role::buckets, std::span<const std::uint32_t>(first));
    }

  private:
    static constexpr std::size_t piece_elements = 1 << 16;

    ArrayWriter open(Role role) const {
        return ArrayWriter(directory_, entry_, role, std::string("segment-0.") + role_name(role));
    }

    const std::filesystem::path& directory_;
    SegmentEntry& entry_;
};

void write_suffixes(SegmentWriter& writer, std::span<const Rank> text, const SegmentEntry& entry) {
    Region region = Region::allocate(text.size_bytes());
    const std::span<Rank> suffixes(reinterpret_cast<Rank*>(region.mutable_data()), text.size());
    sort_suffixes(text, static_cast<Rank>(entry.documents + entry.distinct_tokens), suffixes);
    // The separators come first, one each; they are no suffixes of any document.
    writer.write(Role::suffixes, std::span<const Rank>(suffixes.subspan(entry.documents)));
}

template <class Token>
SegmentEntry write_segment(std::span<const Token> tokens, std::span<const std::uint64_t> offsets,
                           const std::filesystem::path& directory) {
    const Alphabet alphabet(distinct_tokens(tokens));
    SegmentEntry entry;
    entry.content_id = content_id(tokens, offsets);
    entry.tokens = tokens.size();
    entry.documents = offsets.size() - 1;
    entry.distinct_tokens = alphabet.ids().size();
    entry.symbol_bytes = entry.distinct_tokens < 65536 ? 2 : 4;

    SegmentWriter writer(directory, entry);
    writer.write(Role::alphabet, std::span<const std::uint32_t>(alphabet.ids()));
    writer.write(Role::documents, offsets);
    const Region region = sortable_text(tokens, offsets, alphabet);
    const std::span<const Rank> text = region.view<Rank>(0);
    if (entry.symbol_bytes == 2)
        writer.write_text<std::uint16_t>(text);
    else
        writer.write_text<std::uint32_t>(text);
    writer.write_buckets(text);
    write_suffixes(writer, text, entry);
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
    manifest.segments.push_back(write_segment(tokens, offsets, staging.path()));
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
