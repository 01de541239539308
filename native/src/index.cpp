#include "stillhouse/index.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>

#include "stillhouse/errors.hpp"
#include "stillhouse/pool.hpp"
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

void check_next(std::span<const NextToken> next, std::size_t queries) {
    if (next.size() != queries)
        throw ArgumentError("next_tokens has " + std::to_string(next.size()) + " tokens for " + std::to_string(queries) +
                            " contexts; pass one for each");
    for (std::size_t i = 0; i < next.size(); ++i) {
        if (next[i] < end_of_document || next[i] > 0xFFFFFFFF)
            throw ArgumentError("next_tokens[" + std::to_string(i) + "] = " + std::to_string(next[i]) +
                                " is out of range; pass a token id, or -1 for the end of a document");
    }
}

bool ascends(std::span<const std::uint64_t> offsets, std::size_t end) {
    return !offsets.empty() && offsets.front() == 0 && offsets.back() == end &&
           std::is_sorted(offsets.begin(), offsets.end());
}

void check_cnf(const Cnf& cnf) {
    if (!ascends(cnf.offsets, cnf.values.size()) || !ascends(cnf.clauses, cnf.offsets.size() - 1))
        throw ArgumentError("cnf: offsets must start at 0, not decrease and end at the number of elements");
    if (cnf.clauses.size() < 2) throw ArgumentError("cnf has no clauses; pass at least one");
    if (cnf.anchor && *cnf.anchor + 1 >= cnf.clauses.size())
        throw ArgumentError("anchor = " + std::to_string(*cnf.anchor) + " is no clause; cnf has " +
                            std::to_string(cnf.clauses.size() - 1) + ", counted from 0");
    for (std::size_t c = 1; c < cnf.clauses.size(); ++c) {
        if (cnf.clauses[c] == cnf.clauses[c - 1])
            throw ArgumentError("cnf[" + std::to_string(c - 1) + "] has no n-grams; pass at least one");
    }
    for (std::size_t i = 1; i < cnf.offsets.size(); ++i) {
        if (cnf.offsets[i] == cnf.offsets[i - 1])
            throw ArgumentError("cnf holds an empty n-gram, which is everywhere; leave it out");
    }
}

// Cuts m queries into parts of about equal work: first queries, then m.
std::vector<std::size_t> cut(std::span<const std::uint64_t> offsets, const CallOptions& options) {
    const std::size_t queries = offsets.size() - 1;
    const unsigned threads = options.threads == 0 ? available_threads() : options.threads;
    std::size_t parts = std::min<std::size_t>(queries, threads == 1 ? 1 : std::size_t{8} * threads);
    std::vector<std::size_t> first{0};
    const auto work = [&](std::size_t i) { return offsets[i] + 8 * i; };
    const std::uint64_t total = work(queries);
    for (std::size_t part = 1; part < parts; ++part) {
        std::size_t at = first.back();
        std::size_t end = queries;
        while (at < end) {
            const std::size_t middle = at + (end - at) / 2;
            if (work(middle) < total / parts * part)
                at = middle + 1;
            else
                end = middle;
        }
        first.push_back(at);
    }
    if (parts > 0) first.push_back(queries);
    return first;
}

// Calls work(first query, number of queries) for all parts of a batch.
template <class Work>
void in_parts(std::span<const std::uint64_t> offsets, const CallOptions& options, Work work) {
    if (offsets.size() > 1 && options.threads == 1) return work(0, offsets.size() - 1);
    const std::vector<std::size_t> parts = cut(offsets, options);
    run_parallel(parts.size() - 1, options.threads, [&](std::size_t part) {
        if (parts[part] < parts[part + 1]) work(parts[part], parts[part + 1] - parts[part]);
    });
}

// A number below `limit`, all equally likely (SplitMix64, with rejection); moves
// the seed on. The same on every machine.
std::uint64_t below(std::uint64_t limit, std::uint64_t& seed) {
    while (true) {
        std::uint64_t x = seed += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        x ^= x >> 31;
        const std::uint64_t rest = x % limit;
        if (x - rest <= UINT64_MAX - (limit - 1)) return rest;
    }
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
    const auto or_none = [](const std::string& sha) { return sha.empty() ? "none" : sha; };
    if (!options.tokenizer_sha256.empty() && manifest.tokenizer_sha256 != options.tokenizer_sha256)
        throw FormatError(path + ": was built with tokenizer " + or_none(manifest.tokenizer_sha256) + ", not " +
                          options.tokenizer_sha256 + "; open the index of your tokenizer, or build one");
    if (manifest.segments.size() != 1)
        throw FormatError(path + ": lists " + std::to_string(manifest.segments.size()) +
                          " segments; this engine reads one; upgrade stillhouse-native");
    return std::shared_ptr<const Index>(new Index(directory, std::move(manifest), sha256_hex(json), options.preload));
}

Index::Index(const std::filesystem::path& directory, Manifest manifest, std::string digest, bool preload)
    : manifest_(std::move(manifest)),
      digest_(std::move(digest)),
      segment_(directory, manifest_.segments.front(), preload) {}

Range Index::find(std::span<const std::uint32_t> query) const {
    const std::array<std::uint64_t, 2> offsets = {0, query.size()};
    Range range;
    segment_.find_batch(query, offsets, nullptr, {&range, 1});
    return range;
}

void Index::find_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                       std::span<Range> ranges, const CallOptions& options) const {
    check_offsets(offsets, values.size());
    in_parts(offsets, options, [&](std::size_t first, std::size_t queries) {
        segment_.find_batch(values, offsets.subspan(first, queries + 1), options.stop, ranges.subspan(first, queries));
    });
}

void Index::count_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                        std::span<std::uint64_t> counts, const CallOptions& options) const {
    check_offsets(offsets, values.size());
    in_parts(offsets, options, [&](std::size_t first, std::size_t queries) {
        std::vector<Range> ranges(queries);
        segment_.find_batch(values, offsets.subspan(first, queries + 1), options.stop, ranges);
        for (std::size_t i = 0; i < queries; ++i) counts[first + i] = ranges[i].count();
    });
}

void Index::match_lengths(std::span<const std::uint32_t> query, std::span<std::uint32_t> lengths,
                          std::span<std::uint64_t> counts, const CallOptions& options) const {
    const std::array<std::uint64_t, 2> offsets = {0, query.size()};
    segment_.match_lengths_batch(query, offsets, options, lengths, counts);
}

void Index::match_lengths_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                                std::span<std::uint32_t> lengths, std::span<std::uint64_t> counts,
                                const CallOptions& options) const {
    check_offsets(offsets, values.size());
    segment_.match_lengths_batch(values, offsets, options, lengths, counts);
}

Probability Index::prob_of(std::span<const std::uint32_t> context, NextToken next, bool longest_suffix) const {
    const std::array<std::uint64_t, 2> offsets = {0, context.size()};
    Probability out;
    probs_of(context, offsets, {&next, 1}, longest_suffix, {&out, 1}, {});
    return out;
}

void Index::probs_of(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                     std::span<const NextToken> next, bool longest_suffix, std::span<Probability> out,
                     const CallOptions& options) const {
    check_offsets(offsets, values.size());
    check_next(next, offsets.size() - 1);
    in_parts(offsets, options, [&](std::size_t first, std::size_t queries) {
        segment_.prob_batch(values, offsets.subspan(first, queries + 1), next.subspan(first, queries), longest_suffix,
                            options.stop, out.subspan(first, queries));
    });
}

Probability Index::prob(std::span<const std::uint32_t> context, NextToken next) const {
    return prob_of(context, next, false);
}

Probability Index::infgram_prob(std::span<const std::uint32_t> context, NextToken next) const {
    return prob_of(context, next, true);
}

void Index::prob_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                       std::span<const NextToken> next, std::span<Probability> out, const CallOptions& options) const {
    probs_of(values, offsets, next, false, out, options);
}

void Index::infgram_prob_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                               std::span<const NextToken> next, std::span<Probability> out,
                               const CallOptions& options) const {
    probs_of(values, offsets, next, true, out, options);
}

Distributions Index::ntds_of(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                             std::uint64_t top, bool longest_suffix, const CallOptions& options) const {
    check_offsets(offsets, values.size());
    const std::vector<std::size_t> parts = cut(offsets, options);
    std::vector<Distributions> found(parts.size() - 1);
    run_parallel(found.size(), options.threads, [&](std::size_t part) {
        segment_.ntd_batch(values, offsets.subspan(parts[part], parts[part + 1] - parts[part] + 1), top,
                           longest_suffix, options.stop, found[part]);
    });
    if (found.empty()) return {};
    for (std::size_t part = 1; part < found.size(); ++part) found[0].append(found[part]);
    return std::move(found[0]);
}

Distributions Index::ntd_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                               std::uint64_t top, const CallOptions& options) const {
    return ntds_of(values, offsets, top, false, options);
}

Distributions Index::infgram_ntd_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                                       std::uint64_t top, const CallOptions& options) const {
    return ntds_of(values, offsets, top, true, options);
}

void Index::score_batch(std::span<const std::uint32_t> values, std::span<const std::uint64_t> offsets,
                        std::span<Probability> out, const CallOptions& options) const {
    check_offsets(offsets, values.size());
    in_parts(offsets, options, [&](std::size_t first, std::size_t queries) {
        for (std::size_t i = first; i < first + queries; ++i) {
            const std::uint64_t size = offsets[i + 1] - offsets[i];
            segment_.score(values.subspan(offsets[i], size), options.stop, out.subspan(offsets[i], size));
        }
    });
}

std::uint64_t Index::count_cnf(const Cnf& cnf, std::uint64_t max_distance, const CallOptions& options) const {
    check_cnf(cnf);
    return segment_.cooccurrences(cnf, max_distance, options.stop, nullptr);
}

std::vector<std::uint64_t> Index::find_cnf(const Cnf& cnf, std::uint64_t max_distance,
                                           const CallOptions& options) const {
    check_cnf(cnf);
    std::vector<std::uint64_t> positions;
    segment_.cooccurrences(cnf, max_distance, options.stop, &positions);
    std::sort(positions.begin(), positions.end());
    return positions;
}

std::vector<Span> Index::attribute(std::span<const std::uint32_t> query, const SpanOptions& spans,
                                   const CallOptions& options) const {
    const std::size_t n = query.size();
    std::vector<std::uint32_t> lengths(n);
    std::vector<std::uint64_t> counts(n);
    match_lengths(query, lengths, counts, options);
    const auto holds = [](const std::vector<std::uint32_t>& sorted, std::uint32_t id) {
        return std::binary_search(sorted.begin(), sorted.end(), id);
    };
    const auto starts_word = [&](std::size_t at) { return at == 0 || at == n || holds(spans.word_starts, query[at]); };
    // Behind the first delimiter from each position on; n if there is none.
    std::vector<std::size_t> behind_delimiter(n + 1, n);
    for (std::size_t i = n; i-- > 0;)
        behind_delimiter[i] = holds(spans.delimiters, query[i]) ? i + 1 : behind_delimiter[i + 1];
    std::vector<Span> found;
    std::vector<std::uint32_t> values;
    std::vector<std::uint64_t> offsets{0};
    std::size_t covered = 0;  // the farthest end of a span so far
    for (std::size_t begin = 0; begin < n; ++begin) {
        if (spans.whole_words && !starts_word(begin)) continue;
        std::size_t end = std::min(begin + lengths[begin], behind_delimiter[begin]);
        if (spans.whole_words) {
            while (end > begin && !starts_word(end)) --end;
        }
        // Frequent spans are left out below, with all inside them: those occur as often.
        if (end <= covered || end - begin < std::max<std::uint64_t>(1, spans.min_length)) continue;
        covered = end;
        found.push_back({begin, end, 0, 0});
        values.insert(values.end(), query.begin() + static_cast<std::ptrdiff_t>(begin),
                      query.begin() + static_cast<std::ptrdiff_t>(end));
        offsets.push_back(values.size());
    }
    std::vector<Range> ranges(found.size());
    find_batch(values, offsets, ranges, options);
    for (std::size_t i = 0; i < found.size(); ++i) {
        found[i].lo = ranges[i].lo;
        found[i].hi = ranges[i].hi;
    }
    std::erase_if(found, [&](const Span& span) { return span.hi - span.lo > spans.max_count; });
    return found;
}

std::vector<Place> Index::search_docs(std::span<const std::uint32_t> query, std::uint64_t limit, std::uint64_t seed,
                                      const CallOptions& options) const {
    const Range range = find(query);
    std::vector<Place> places;
    std::unordered_set<std::uint64_t> documents;
    // A shuffle that remembers only what it has moved.
    std::unordered_map<std::uint64_t, std::uint64_t> moved;
    const auto at = [&](std::uint64_t i) {
        const auto found = moved.find(i);
        return found == moved.end() ? i : found->second;
    };
    Pacer pacer(options.stop, 256);
    const std::uint64_t count = range.count();
    for (std::uint64_t i = 0; i < count && places.size() < limit; ++i) {
        pacer.step();
        const std::uint64_t other = i + below(count - i, seed);
        const std::uint64_t drawn = at(other);
        moved[other] = at(i);
        moved.erase(i);
        const Place place = place_of_rank(range.lo + drawn);
        if (documents.insert(place.document).second) places.push_back(place);
    }
    return places;
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

void Index::positions(Range ranks, std::span<std::uint64_t> out, const CallOptions& options) const {
    if (ranks.lo > ranks.hi || ranks.hi > tokens())
        throw ArgumentError("ranks [" + std::to_string(ranks.lo) + ", " + std::to_string(ranks.hi) +
                            ") are out of range; the index has " + std::to_string(tokens()) + ", counted from 0");
    Pacer pacer(options.stop, 1024);
    for (std::uint64_t rank = ranks.lo; rank < ranks.hi; ++rank) {
        pacer.step();
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
