#include "stillhouse/index.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "stillhouse/errors.hpp"
#include "stillhouse/sha256.hpp"

namespace stillhouse {
namespace {

void check_offsets(std::span<const std::uint64_t> offsets, std::size_t values) {
    const bool valid = !offsets.empty() && offsets.front() == 0 && offsets.back() == values &&
                       std::is_sorted(offsets.begin(), offsets.end());
    if (!valid)
        throw ArgumentError("offsets must start at 0, end at len(values) = " + std::to_string(values) +
                            " and not decrease; pass m + 1 offsets for m queries");
}

void check_below(const char* name, std::uint64_t value, std::uint64_t limit) {
    if (value >= limit)
        throw ArgumentError(std::string(name) + " = " + std::to_string(value) + " is out of range; the index has " +
                            std::to_string(limit) + ", counted from 0");
}

std::string read_manifest(const std::filesystem::path& directory) {
    std::error_code error;
    const auto status = std::filesystem::status(directory, error);
    if (!std::filesystem::exists(status)) throw FormatError(directory.string() + ": no such directory");
    if (!std::filesystem::is_directory(status)) throw FormatError(directory.string() + ": not a directory");
    const std::filesystem::path path = directory / manifest_name;
    if (!std::filesystem::exists(path, error))
        throw FormatError(path.string() + ": missing; the directory holds no finished index");
    constexpr std::uint64_t largest = std::uint64_t{1} << 28;
    if (std::filesystem::file_size(path, error) > largest && !error)
        throw FormatError(path.string() + ": too large for a manifest");
    const Region bytes = Region::read(path);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::shared_ptr<const Index> Index::open(const std::filesystem::path& directory, const OpenOptions& options) {
    const std::string json = read_manifest(directory);
    const std::string path = (directory / manifest_name).string();
    Manifest manifest = Manifest::from_json(json, path);
    if (manifest.segments.size() != 1)
        throw FormatError(path + ": lists " + std::to_string(manifest.segments.size()) +
                          " segments; this engine reads one; upgrade stillhouse-native");
    return std::shared_ptr<const Index>(new Index(directory, std::move(manifest), sha256_hex(json), options.preload));
}

Index::Index(const std::filesystem::path& directory, Manifest manifest, std::string digest, bool preload)
    : manifest_(std::move(manifest)),
      digest_(std::move(digest)),
      segment_(directory, manifest_.segments.front(), preload) {}

Range Index::find(std::span<const std::uint32_t> query) const { return segment_.find(query); }

void Index::count_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                        std::span<std::uint64_t> counts) const {
    check_offsets(offsets, values.size());
    std::vector<Range> ranges(offsets.size() - 1);
    segment_.find_batch(values, offsets, ranges);
    std::transform(ranges.begin(), ranges.end(), counts.begin(), [](const Range& range) { return range.count(); });
}

void Index::match_lengths(std::span<const std::uint32_t> query, std::span<std::uint32_t> lengths,
                          std::span<std::uint64_t> counts) const {
    const std::array<std::uint64_t, 2> offsets = {0, query.size()};
    segment_.match_lengths_batch(query, offsets, lengths, counts);
}

void Index::match_lengths_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                                std::span<std::uint32_t> lengths, std::span<std::uint64_t> counts) const {
    check_offsets(offsets, values.size());
    segment_.match_lengths_batch(values, offsets, lengths, counts);
}

Place Index::place_of_position(std::uint64_t position) const {
    check_below("position", position, tokens());
    const auto [document, offset] = segment_.document_at(position);
    return {document, offset};
}

Place Index::place_of_rank(std::uint64_t rank) const {
    check_below("rank", rank, tokens());
    const auto [document, offset] = segment_.locate(rank);
    return {document, offset};
}

void Index::positions(Range ranks, std::span<std::uint64_t> out) const {
    if (ranks.lo > ranks.hi || ranks.hi > tokens())
        throw ArgumentError("ranks [" + std::to_string(ranks.lo) + ", " + std::to_string(ranks.hi) +
                            ") are out of range; the index has " + std::to_string(tokens()) + ", counted from 0");
    for (std::uint64_t rank = ranks.lo; rank < ranks.hi; ++rank) {
        const auto [document, offset] = segment_.locate(rank);
        out[rank - ranks.lo] = segment_.document_bounds(document).first + offset;
    }
}

std::uint64_t Index::document_length(std::uint64_t document) const {
    check_below("document", document, documents());
    const auto [first, last] = segment_.document_bounds(document);
    return last - first;
}

void Index::read_document(std::uint64_t document, std::span<std::uint32_t> out) const {
    check_below("document", document, documents());
    segment_.read_document(document, out);
}

}  // namespace stillhouse
