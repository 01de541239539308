// Every call of an index, with arguments made of bytes; for the fuzz targets.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <unistd.h>

#include "stillhouse/builder.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/index.hpp"

namespace fuzz {

using Tokens = std::vector<std::uint32_t>;

inline void require(bool holds) {
    if (!holds) std::abort();
}

// A new directory below the one for temporary files, in memory if that is there.
inline std::filesystem::path scratch() {
    const bool memory = std::filesystem::is_directory("/dev/shm");
    const auto base = memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
    const auto path = base / ("stillhouse-fuzz-" + std::to_string(::getpid()));
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
    return path;
}

// A corpus of few ids with repeats, empty documents and the highest id.
inline void build(const std::filesystem::path& directory) {
    Tokens tokens;
    std::vector<std::uint64_t> offsets{0};
    for (std::uint32_t d = 0; d < 9; ++d) {
        for (std::uint32_t i = 0; i < 11 * (d % 5); ++i) tokens.push_back(i * i * (d % 3 + 1) % 7);
        if (d == 4) tokens.push_back(0xFFFFFFFF);
        offsets.push_back(tokens.size());
    }
    stillhouse::build(std::span<const std::uint32_t>(tokens), offsets, directory);
}

// Splits the values at each `cut` of the bytes, as batches want them.
inline std::vector<std::uint64_t> offsets_of(std::span<const std::uint8_t> bytes, std::size_t values) {
    std::vector<std::uint64_t> offsets{0};
    for (std::size_t i = 1; i < values; ++i) {
        if (bytes[i] % 5 == 0) offsets.push_back(i);
    }
    offsets.push_back(values);
    return offsets;
}

// Asks everything; with `sound` files, answers must agree with each other.
inline void ask(const stillhouse::Index& index, std::span<const std::uint8_t> bytes, bool sound) {
    using namespace stillhouse;
    Tokens values;
    for (const std::uint8_t byte : bytes) values.push_back(byte == 255 ? 0xFFFFFFFF : byte % 9);
    const auto offsets = offsets_of(bytes, values.size());
    const std::size_t queries = offsets.size() - 1;
    const auto query = [&](std::size_t i) {
        return std::span<const std::uint32_t>(values).subspan(offsets[i], offsets[i + 1] - offsets[i]);
    };
    std::vector<std::uint64_t> counts(queries);
    index.count_batch(values, offsets, counts, {2});
    const Distributions all = index.ntd_batch(values, offsets);
    const Distributions longest = index.infgram_ntd_batch(values, offsets, 3);
    std::vector<NextToken> next(queries, bytes.empty() || bytes[0] % 3 == 0 ? end_of_document : bytes[0] % 9);
    std::vector<Probability> found(queries);
    index.prob_batch(values, offsets, next, found);
    for (std::size_t i = 0; i < queries; ++i) {
        const std::uint64_t count = index.count(query(i));
        std::uint64_t sum = 0;
        for (std::uint64_t k = all.offsets[i]; k < all.offsets[i + 1]; ++k) sum += all.counts[k];
        if (sound) require(count == counts[i] && sum == all.context_counts[i]);
        if (sound && !query(i).empty()) require(sum == count && found[i].context_count == count);
        index.infgram_prob(query(i), next[i]);
        index.search_docs(query(i), 3, bytes.size());
    }
    std::vector<std::uint32_t> lengths(values.size());
    std::vector<std::uint64_t> occurrences(values.size());
    index.match_lengths(values, lengths, occurrences);
    std::vector<Probability> scores(values.size());
    index.score_batch(values, offsets, scores);
    SpanOptions wanted;
    wanted.delimiters = {3};
    index.attribute(values, wanted);
    // n-grams in clauses of two; empty ones are refused.
    Cnf cnf{values, offsets, {0}};
    for (std::uint64_t i = 2; i < queries; i += 2) cnf.clauses.push_back(i);
    cnf.clauses.push_back(queries);
    try {
        const auto places = index.find_cnf(cnf, bytes.empty() ? 0 : bytes.back() % 32);
        if (sound) require(places.size() == index.count_cnf(cnf, bytes.back() % 32));
    } catch (const ArgumentError&) {
    }
}

}  // namespace fuzz
