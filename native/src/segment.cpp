#include "stillhouse/segment.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "stillhouse/errors.hpp"
#include "stillhouse/xxh64.hpp"

namespace stillhouse {
namespace {

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

template <class Symbol>
std::vector<Symbol> translate(std::span<const std::uint32_t> tokens, const Alphabet& alphabet) {
    std::vector<Symbol> symbols(tokens.size());
    std::transform(tokens.begin(), tokens.end(), symbols.begin(),
                   [&](std::uint32_t id) { return static_cast<Symbol>(alphabet.symbol(id)); });
    return symbols;
}

template <class Symbol>
Range find_in(const SuffixArray<Symbol>& array, std::span<const Symbol> query) {
    // Symbol 0, an unknown token, would match the ends of documents.
    if (std::find(query.begin(), query.end(), Symbol{0}) != query.end()) return {};
    return run(array, query, Goal::whole).range();
}

template <class Symbol>
void find_all(const SuffixArray<Symbol>& array, std::span<const Symbol> values,
              std::span<const std::uint64_t> offsets, std::span<Range> ranges) {
    std::vector<std::size_t> slots;  // queries whose tokens are all known
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
        const auto query = values.subspan(offsets[i], offsets[i + 1] - offsets[i]);
        ranges[i] = {};
        if (std::find(query.begin(), query.end(), Symbol{0}) == query.end()) slots.push_back(i);
    }
    std::size_t next = 0;
    run_interleaved(
        array,
        [&](Search<Symbol>& search) {
            if (next == slots.size()) return false;
            const std::size_t i = slots[next++];
            search = {array, values.subspan(offsets[i], offsets[i + 1] - offsets[i]), Goal::whole};
            return true;
        },
        [&](std::size_t slot, const Search<Symbol>& search) { ranges[slots[slot]] = search.range(); });
}

// Hands out the positions of ragged queries together with the known symbols that
// follow: a match ends before an unknown token and at the end of its query.
template <class Symbol>
class Tails {
  public:
    Tails(std::span<const Symbol> values, std::span<const std::uint64_t> offsets)
        : values_(values), offsets_(offsets) {}

    bool next(std::span<const Symbol>& tail) {
        if (at_ == values_.size()) return false;
        while (query_end_ <= at_) query_end_ = offsets_[++query_];
        if (known_end_ <= at_) {
            const auto rest = values_.subspan(at_, query_end_ - at_);
            known_end_ = at_ + static_cast<std::size_t>(std::find(rest.begin(), rest.end(), Symbol{0}) - rest.begin());
        }
        // At an unknown token known_end_ is at_: the tail is empty.
        tail = values_.subspan(at_, known_end_ - at_);
        ++at_;
        return true;
    }

  private:
    std::span<const Symbol> values_;
    std::span<const std::uint64_t> offsets_;
    std::size_t query_ = 0;
    std::size_t query_end_ = 0;
    std::size_t known_end_ = 0;
    std::size_t at_ = 0;
};

template <class Symbol>
void match_all(const SuffixArray<Symbol>& array, std::span<const Symbol> values,
               std::span<const std::uint64_t> offsets, std::span<std::uint32_t> lengths,
               std::span<std::uint64_t> counts) {
    Tails<Symbol> tails(values, offsets);
    run_interleaved(
        array,
        [&](Search<Symbol>& search) {
            std::span<const Symbol> tail;
            if (!tails.next(tail)) return false;
            search = {array, tail, Goal::longest};
            return true;
        },
        [&](std::size_t slot, const Search<Symbol>& search) {
            lengths[slot] = static_cast<std::uint32_t>(search.matched());
            // The empty match is everywhere, but no match counts nothing.
            counts[slot] = search.matched() == 0 ? 0 : search.range().count();
        });
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

Range Segment::find(std::span<const std::uint32_t> query) const {
    return std::visit(
        [&]<class Symbol>(const SuffixArray<Symbol>& array) {
            const std::vector<Symbol> symbols = translate<Symbol>(query, alphabet_);
            return find_in(array, std::span<const Symbol>(symbols));
        },
        array_);
}

void Segment::find_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                         std::span<Range> ranges) const {
    std::visit(
        [&]<class Symbol>(const SuffixArray<Symbol>& array) {
            const std::vector<Symbol> symbols = translate<Symbol>(values, alphabet_);
            find_all(array, std::span<const Symbol>(symbols), offsets, ranges);
        },
        array_);
}

void Segment::match_lengths_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                                  std::span<std::uint32_t> lengths, std::span<std::uint64_t> counts) const {
    std::visit(
        [&]<class Symbol>(const SuffixArray<Symbol>& array) {
            const std::vector<Symbol> symbols = translate<Symbol>(values, alphabet_);
            match_all(array, std::span<const Symbol>(symbols), offsets, lengths, counts);
        },
        array_);
}

std::pair<std::uint64_t, std::uint64_t> Segment::locate(std::uint64_t rank) const {
    const std::uint64_t at =
        std::visit([&](const auto& array) { return std::uint64_t{array.position(rank)}; }, array_);
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
