// Build, open and query against brute force; meant above all for the sanitizers.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "check.hpp"
#include "stillhouse/builder.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/index.hpp"

namespace fs = std::filesystem;
using stillhouse::Index;

namespace {

using Tokens = std::vector<std::uint32_t>;
using Documents = std::vector<Tokens>;

struct Scratch {
    Scratch() {
        static int number = 0;
        path = fs::temp_directory_path() / ("stillhouse-test-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
        fs::create_directory(path);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { fs::remove_all(path); }
    fs::path path;
};

struct Ragged {
    Tokens values;
    std::vector<std::uint64_t> offsets{0};

    explicit Ragged(const Documents& documents) {
        for (const Tokens& document : documents) {
            values.insert(values.end(), document.begin(), document.end());
            offsets.push_back(values.size());
        }
    }
};

template <class Token = std::uint32_t>
void build_documents(const Documents& documents, const fs::path& path) {
    const Ragged ragged(documents);
    const std::vector<Token> tokens(ragged.values.begin(), ragged.values.end());
    stillhouse::build(std::span<const Token>(tokens), ragged.offsets, path, {"", {{"k", "v"}}});
}

std::uint64_t naive_count(const Documents& documents, const Tokens& query) {
    std::uint64_t count = 0;
    for (const Tokens& document : documents) {
        for (std::size_t i = 0; i < document.size() && i + query.size() <= document.size(); ++i)
            count += std::equal(query.begin(), query.end(), document.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return count;
}

void check_queries(const Index& index, const Documents& documents, const Documents& queries) {
    const Ragged ragged(queries);
    std::vector<std::uint64_t> counts(queries.size());
    index.count_batch(ragged.values, ragged.offsets, counts);
    Tokens lengths(ragged.values.size());
    std::vector<std::uint64_t> occurrences(lengths.size());
    index.match_lengths_batch(ragged.values, ragged.offsets, lengths, occurrences);
    for (std::size_t q = 0; q < queries.size(); ++q) {
        const std::uint64_t expected = naive_count(documents, queries[q]);
        CHECK(counts[q] == expected);
        CHECK(index.count(queries[q]) == expected);
        for (std::size_t i = 0; i < queries[q].size(); ++i) {
            const std::size_t at = ragged.offsets[q] + i;
            const auto start = queries[q].begin() + static_cast<std::ptrdiff_t>(i);
            const auto length = static_cast<std::ptrdiff_t>(lengths[at]);
            const Tokens match(start, start + length);
            CHECK(occurrences[at] == (match.empty() ? 0 : naive_count(documents, match)));
            CHECK(match.empty() || occurrences[at] > 0);
            if (i + match.size() < queries[q].size())
                CHECK(naive_count(documents, Tokens(start, start + length + 1)) == 0);
        }
    }
}

Documents random_documents(std::mt19937& random, std::uint32_t alphabet, std::uint32_t scale) {
    Documents documents(random() % 9);
    for (Tokens& document : documents) {
        document.resize(random() % 40);
        for (auto& token : document) token = random() % alphabet * scale;
    }
    return documents;
}

void overwrite(const fs::path& file, std::streamoff at, const std::string& bytes) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(at);
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

TEST(answers_equal_brute_force) {
    std::mt19937 random(5);
    const Scratch scratch;
    for (int round = 0; round < 150; ++round) {
        const std::uint32_t alphabet = 1 + random() % 5;
        const std::uint32_t scale = round % 3 == 0 ? 1 : round % 3 == 1 ? 13000 : 0x3FFFFFFF;
        const Documents documents = random_documents(random, alphabet, scale);
        const fs::path path = scratch.path / std::to_string(round);
        if (scale == 1)
            build_documents<std::uint16_t>(documents, path);
        else
            build_documents(documents, path);
        Documents queries = random_documents(random, alphabet + 1, scale);
        queries.insert(queries.end(), documents.begin(), documents.end());
        const auto index = Index::open(path, {round % 2 == 0});
        check_queries(*index, documents, queries);
        index->verify();
        for (std::size_t d = 0; d < documents.size(); ++d) {
            Tokens tokens(index->document_length(d));
            index->read_document(d, tokens);
            CHECK(tokens == documents[d]);
        }
    }
}

TEST(wide_symbols) {
    Tokens ids(70000);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::uint32_t>(i * 61000);
    std::shuffle(ids.begin(), ids.end(), std::mt19937(3));
    const Documents documents{ids, {ids.begin(), ids.begin() + 100}, {std::numeric_limits<std::uint32_t>::max()}};
    const Scratch scratch;
    build_documents(documents, scratch.path / "index");
    const auto index = Index::open(scratch.path / "index");
    check_queries(*index, documents, {{ids.begin() + 90, ids.begin() + 110}, {ids[0], ids[1], 1}, {0xFFFFFFFF}});
    index->verify();
}

TEST(places) {
    const Documents documents{{1, 2}, {}, {1}, {}, {2, 1, 2}};
    const Scratch scratch;
    build_documents(documents, scratch.path / "index");
    const auto index = Index::open(scratch.path / "index");
    std::vector<std::uint64_t> positions(6);
    index->positions({0, 6}, positions);
    // Suffixes: 1 | 1 2 | 1 2 | 2 | 2 | 2 1 2
    CHECK((positions == std::vector<std::uint64_t>{2, 0, 4, 1, 5, 3}));
    CHECK(index->place_of_rank(5).document == 4 && index->place_of_rank(5).offset == 0);
    CHECK(index->place_of_position(2).document == 2 && index->place_of_position(2).offset == 0);
    CHECK(index->find({}).lo == 0 && index->find({}).hi == 6);
    CHECK(check::contains(check::thrown<stillhouse::ArgumentError>([&] { index->place_of_rank(6); }), "rank = 6"));
    CHECK(!check::thrown<stillhouse::ArgumentError>([&] { index->document_length(5); }).empty());
    CHECK(!check::thrown<stillhouse::ArgumentError>([&] { index->positions({3, 7}, positions); }).empty());
}

TEST(empty_index) {
    const Scratch scratch;
    build_documents({}, scratch.path / "none");
    build_documents({{}, {}}, scratch.path / "empty");
    for (const char* name : {"none", "empty"}) {
        for (const bool preload : {false, true}) {
            const auto index = Index::open(scratch.path / name, {preload});
            check_queries(*index, {}, {{}, {0}, {1, 2}});
            CHECK(index->tokens() == 0);
            index->verify();
        }
    }
}

TEST(builds_are_refused_and_leave_nothing) {
    const Scratch scratch;
    const Tokens tokens{1, 2, 3};
    const auto refused = [&](std::vector<std::uint64_t> offsets) {
        return check::thrown<stillhouse::ArgumentError>(
            [&] { stillhouse::build(std::span<const std::uint32_t>(tokens), offsets, scratch.path / "index"); });
    };
    CHECK(check::contains(refused({}), "doc_offsets is empty"));
    CHECK(check::contains(refused({1, 3}), "start at 0"));
    CHECK(check::contains(refused({0, 2}), "len(tokens) = 3"));
    CHECK(check::contains(refused({0, 2, 1, 3}), "doc_offsets[2] = 1"));
    CHECK(fs::is_empty(scratch.path));
    build_documents({tokens}, scratch.path / "index");
    const auto again = check::thrown<stillhouse::BuildError>([&] { build_documents({tokens}, scratch.path / "index"); });
    CHECK(check::contains(again, "exists already"));
    CHECK(std::distance(fs::directory_iterator(scratch.path), {}) == 1);
}

TEST(corrupt_arrays_do_not_crash) {
    std::mt19937 random(21);
    const Scratch scratch;
    Documents documents(4, Tokens(60));
    for (Tokens& document : documents) {
        for (auto& token : document) token = random() % 3;
    }
    int errors = 0;
    for (int round = 0; round < 200; ++round) {
        const fs::path path = scratch.path / std::to_string(round);
        build_documents(documents, path);
        for (const char* file : {"segment-0.text", "segment-0.suffixes"}) {
            const auto size = static_cast<std::uint32_t>(fs::file_size(path / file));
            for (auto n = random() % 100; n > 0; --n)
                overwrite(path / file, 64 + random() % (size - 64), std::string(1, static_cast<char>(random())));
        }
        std::shared_ptr<const Index> index;
        // The tables of preloaded indexes may see it at once.
        const auto refused =
            check::thrown<stillhouse::FormatError>([&] { index = Index::open(path, {round % 2 == 0}); });
        if (!refused.empty()) {
            ++errors;
            continue;
        }
        Tokens lengths(60);
        std::vector<std::uint64_t> counts(60);
        for (const Tokens& document : documents) {
            errors += !check::thrown<stillhouse::FormatError>([&] { index->match_lengths(document, lengths, counts); }).empty();
            errors += !check::thrown<stillhouse::FormatError>([&] { index->count(document); }).empty();
        }
        for (std::uint64_t rank = 0; rank < index->tokens(); ++rank)
            errors += !check::thrown<stillhouse::FormatError>([&] { index->place_of_rank(rank); }).empty();
        errors += !check::thrown<stillhouse::FormatError>([&] { index->verify(); }).empty();
    }
    CHECK(errors > 200);
}

TEST(threads_share_an_index) {
    std::mt19937 random(2);
    Documents documents(1, Tokens(20000));
    for (auto& token : documents[0]) token = random() % 40;
    const Scratch scratch;
    build_documents(documents, scratch.path / "index");
    const auto index = Index::open(scratch.path / "index");
    std::vector<Tokens> lengths(4, Tokens(20000));
    std::vector<std::thread> threads;
    for (Tokens& mine : lengths) {
        threads.emplace_back([&] {
            std::vector<std::uint64_t> counts(mine.size());
            index->match_lengths(documents[0], mine, counts);
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Tokens& mine : lengths) {
        for (std::size_t i = 0; i < mine.size(); ++i) CHECK(mine[i] == mine.size() - i);
    }
}
