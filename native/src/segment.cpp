#include "stillhouse/segment.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "stillhouse/continuations.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/pool.hpp"
#include "stillhouse/xxh64.hpp"

namespace stillhouse {
namespace {

// So many kinds of bigrams get a table however few the tokens are.
constexpr std::uint64_t always_bigrams = 1 << 16;

Region open_file(const std::filesystem::path& directory, const FileEntry& file, bool preload) {
    const std::filesystem::path path = directory / file.name;
    std::error_code error;
    const std::uint64_t bytes = std::filesystem::file_size(path, error);
    // Before mapping: beyond the end of a short file there is nothing but SIGBUS.
    if (!error && bytes != file.bytes)
        throw FormatError(path.string() + ": has " + std::to_string(bytes) + " bytes instead of " +
                          std::to_string(file.bytes) + (bytes < file.bytes ? "; truncated" : "; too long"));
    Region region = preload ? Region::read(path) : Region::map(path);
    if (region.size() != file.bytes) throw FormatError(path.string() + ": changed while it was opened");
    return region;
}

}  // namespace

Segment::Segment(const std::filesystem::path& directory, const SegmentEntry& entry, bool preload)
    : directory_(directory), entry_(entry) {
    for (const Role role : roles) {
        regions_[static_cast<std::size_t>(role) - 1] = open_file(directory, entry.file(role), preload);
        check_header(role);
    }
    document_offsets_ = elements<std::uint64_t>(Role::documents);
    const auto suffixes = elements<std::uint32_t>(Role::suffixes);
    const auto buckets = elements<std::uint32_t>(Role::buckets);
    if (entry.symbol_bytes == 2)
        array_ = SuffixArray<std::uint16_t>{elements<std::uint16_t>(Role::text), suffixes, buckets};
    else
        array_ = SuffixArray<std::uint32_t>{elements<std::uint32_t>(Role::text), suffixes, buckets};
    check_alphabet();
    check_documents();
    check_buckets();
    const auto ids = elements<std::uint32_t>(Role::alphabet);
    alphabet_ = Alphabet({ids.begin(), ids.end()});
    if (!preload) return;
    try {
        std::visit([&](auto& array) { add_bigrams(array); }, array_);
    } catch (const FormatError& error) {
        throw FormatError((directory / entry.file(Role::suffixes).name).string() + ": " + error.what());
    }
}

// Corrupt arrays give a wrong table or a FormatError, as they would in queries.
template <class Symbol>
void Segment::add_bigrams(SuffixArray<Symbol>& array) {
    const std::size_t distinct = entry_.distinct_tokens;
    if (distinct == 0) return;
    const std::size_t parts = std::min<std::size_t>(distinct, 64);
    const std::size_t most = std::max(always_bigrams, entry_.tokens / 8);
    std::vector<std::vector<Bigrams::Entry>> entries(parts);
    std::atomic<bool> few{true};
    // Parts of about equal numbers of suffixes.
    const auto bound = [&](std::size_t part) {
        const auto rank = entry_.tokens * part / parts;
        const auto at = std::lower_bound(array.buckets.begin() + 1, array.buckets.end() - 1, rank);
        return part == parts ? distinct + 1 : static_cast<std::size_t>(at - array.buckets.begin());
    };
    run_parallel(parts, 0, [&](std::size_t part) {
        if (few && !collect_bigrams(array, bound(part), bound(part + 1), most, entries[part])) few = false;
    });
    std::size_t total = 0;
    for (const auto& part : entries) total += part.size();
    if (!few || total > most) return;
    bigrams_ = std::make_unique<const Bigrams>(entries);
    array.bigrams = bigrams_.get();
    add_keys(array);
}

template <class Symbol>
void Segment::add_keys(SuffixArray<Symbol>& array) {
    Keys<Symbol> keys(array.suffixes.size());
    constexpr std::size_t piece = 1 << 16;
    constexpr std::size_t distance = 16;
    run_parallel((keys.size() + piece - 1) / piece, 0, [&](std::size_t part) {
        const std::size_t end = std::min(keys.size(), (part + 1) * piece);
        for (std::size_t k = part * piece; k < end; ++k) {
            if (k + distance < end) {
                const std::size_t ahead = array.suffixes[(k + distance) * keys.fanout];
                __builtin_prefetch(array.text.data() + std::min(ahead, array.text.size()));
            }
            const std::size_t at = array.position(k * keys.fanout);
            keys.lowest()[k] = keys.pack(array.text.data() + at, array.text.size() - at);
        }
    });
    keys.fill_upper();
    keys_ = std::move(keys);
    array.keys = &std::get<Keys<Symbol>>(keys_);
}

template <class T>
std::span<const T> Segment::elements(Role role) const {
    return region(role).view<T>(sizeof(FileHeader));
}

void Segment::fail(Role role, const std::string& reason) const {
    throw FormatError((directory_ / entry_.file(role).name).string() + ": " + reason);
}

void Segment::check_header(Role role) const {
    FileHeader header;
    std::memcpy(&header, region(role).data(), sizeof header);
    if (header.magic != file_magic) fail(role, "not a file of a Stillhouse index (wrong magic)");
    if (header.byte_order != byte_order_mark) fail(role, "byte order is not little-endian");
    if (header.version > format_version)
        fail(role, "format version " + std::to_string(header.version) + " is newer than " +
                       std::to_string(format_version) + ", the newest this engine reads; upgrade stillhouse-native");
    if (header.version < format_version) fail(role, "unknown format version " + std::to_string(header.version));
    if (header.role != static_cast<std::uint32_t>(role))
        fail(role, std::string("does not hold the ") + role_name(role) + " of a segment");
    if (header.content_id != entry_.content_id) fail(role, "belongs to another index");
    if (header.element_bytes != entry_.element_bytes(role) || header.elements != entry_.elements(role))
        fail(role, "header does not fit the counts in the manifest");
}

void Segment::check_alphabet() const {
    const auto ids = elements<std::uint32_t>(Role::alphabet);
    if (std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) != ids.end())
        fail(Role::alphabet, "token ids do not ascend; corrupt");
}

void Segment::check_documents() const {
    const auto& offsets = document_offsets_;
    if (offsets.front() != 0 || offsets.back() != entry_.tokens || !std::is_sorted(offsets.begin(), offsets.end()))
        fail(Role::documents, "offsets do not ascend from 0 to the number of tokens; corrupt");
}

void Segment::check_buckets() const {
    const auto ranks = elements<std::uint32_t>(Role::buckets);
    if (ranks[0] != 0 || ranks[1] != 0 || ranks.back() != entry_.tokens || !std::is_sorted(ranks.begin(), ranks.end()))
        fail(Role::buckets, "ranks do not ascend from 0 to the number of tokens; corrupt");
}

std::pair<std::uint64_t, std::uint64_t> Segment::locate(std::uint64_t rank) const {
    const std::uint64_t at =
        std::visit([&](const auto& array) { return std::uint64_t{array.position(rank)}; }, array_);
    return locate_text(at);
}

std::pair<std::uint64_t, std::uint64_t> Segment::locate_text(std::uint64_t at) const {
    // Document d starts in the text at its offset plus one separator for each
    // document before it; look for the last one that starts at or before `at`.
    std::uint64_t first = 0;
    std::uint64_t last = entry_.documents;
    while (last - first > 1) {
        const std::uint64_t middle = first + (last - first) / 2;
        (document_offsets_[middle] + middle <= at ? first : last) = middle;
    }
    const std::uint64_t offset = at - (document_offsets_[first] + first);
    if (offset >= document_offsets_[first + 1] - document_offsets_[first])
        fail(Role::suffixes, "a position between two documents; the index is corrupt, run verify()");
    return {first, offset};
}

std::pair<std::uint64_t, std::uint64_t> Segment::document_at(std::uint64_t position) const {
    const auto after = std::upper_bound(document_offsets_.begin(), document_offsets_.end(), position);
    const auto document = static_cast<std::uint64_t>(after - document_offsets_.begin()) - 1;
    return {document, position - document_offsets_[document]};
}

std::pair<std::uint64_t, std::uint64_t> Segment::document_bounds(std::uint64_t document) const {
    return {document_offsets_[document], document_offsets_[document + 1]};
}

void Segment::read_document(std::uint64_t document, std::span<std::uint32_t> out) const {
    std::visit(
        [&](const auto& array) {
            const auto symbols = array.text.subspan(document_offsets_[document] + document, out.size());
            const auto& ids = alphabet_.ids();
            for (std::size_t i = 0; i < out.size(); ++i) {
                if (symbols[i] == 0 || symbols[i] > ids.size())
                    fail(Role::text, "an unknown symbol; the index is corrupt, run verify()");
                out[i] = ids[symbols[i] - 1];
            }
        },
        array_);
}

void Segment::verify() const {
    for (const Role role : roles) {
        const Region& bytes = region(role);
        if (xxh64(bytes.data(), bytes.size()) != entry_.file(role).xxh64)
            fail(role, "checksum does not match the manifest; corrupt");
    }
    verify_documents();
    verify_suffixes();
}

void Segment::verify_documents() const {
    std::visit(
        [&](const auto& array) {
            std::uint64_t separators = 0;
            for (const auto symbol : array.text) {
                if (symbol > alphabet_.ids().size()) fail(Role::text, "a symbol beyond the alphabet; corrupt");
                separators += symbol == 0;
            }
            if (separators != entry_.documents) fail(Role::text, "wrong number of document ends; corrupt");
            for (std::uint64_t d = 0; d < entry_.documents; ++d) {
                if (array.text[document_offsets_[d + 1] + d] != 0)
                    fail(Role::text, "a document does not end where it should; corrupt");
            }
        },
        array_);
}

void Segment::verify_suffixes() const {
    std::visit(
        [&](const auto& array) {
            constexpr std::uint64_t distance = 32;
            for (std::size_t symbol = 1; symbol + 1 < array.buckets.size(); ++symbol) {
                for (std::uint64_t rank = array.buckets[symbol]; rank < array.buckets[symbol + 1]; ++rank) {
                    if (rank + distance < array.suffixes.size()) {
                        const std::size_t ahead = array.suffixes[rank + distance];
                        __builtin_prefetch(array.text.data() + std::min(ahead, array.text.size()));
                    }
                    const std::size_t at = array.suffixes[rank];
                    if (at >= array.text.size() || array.text[at] != symbol)
                        fail(Role::suffixes, "a suffix in the wrong bucket; corrupt");
                }
            }
        },
        array_);
}

}  // namespace stillhouse
