// What threads share: the pool, an index, a stop flag. Run under TSan as well.
#include <atomic>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "check.hpp"
#include "stillhouse/builder.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/index.hpp"
#include "stillhouse/pool.hpp"

namespace {

namespace fs = std::filesystem;
using Tokens = std::vector<std::uint32_t>;

struct Corpus {
    fs::path directory = fs::temp_directory_path() / ("stillhouse-threads-" + std::to_string(::getpid()));
    Tokens tokens = Tokens(20000);
    std::vector<std::uint64_t> offsets;

    Corpus() {
        std::mt19937 random(7);
        for (auto& token : tokens) token = random() % 20;
        for (std::uint64_t i = 0; i <= tokens.size(); i += 5) offsets.push_back(i);
        fs::remove_all(directory);
        fs::create_directories(directory);
        stillhouse::build(std::span<const std::uint32_t>(tokens), offsets, directory / "index");
    }
    ~Corpus() { fs::remove_all(directory); }
};

void on_threads(unsigned number, const std::function<void()>& work) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < number; ++i) threads.emplace_back(work);
    for (auto& thread : threads) thread.join();
}

}  // namespace

TEST(pool_runs_every_piece_once) {
    on_threads(4, [] {
        for (int round = 0; round < 50; ++round) {
            std::vector<std::atomic<int>> runs(100);
            stillhouse::run_parallel(runs.size(), 0, [&](std::size_t piece) { ++runs[piece]; });
            for (const auto& times : runs) CHECK(times == 1);
        }
    });
}

TEST(pool_hands_on_exceptions) {
    on_threads(4, [] {
        const auto message = check::thrown<std::runtime_error>([] {
            stillhouse::run_parallel(50, 0, [](std::size_t piece) {
                if (piece == 20) throw std::runtime_error("piece 20");
            });
        });
        CHECK(message == "piece 20");
    });
}

TEST(batches_on_threads_equal_single_calls) {
    const Corpus corpus;
    for (const bool preload : {false, true}) {
        const auto index = stillhouse::Index::open(corpus.directory / "index", {preload});
        std::vector<std::uint64_t> expected(corpus.offsets.size() - 1);
        index->count_batch(corpus.tokens, corpus.offsets, expected);
        on_threads(4, [&] {
            std::vector<std::uint64_t> counts(expected.size());
            index->count_batch(corpus.tokens, corpus.offsets, counts, {0});
            CHECK(counts == expected);
            const auto found = index->ntd_batch(corpus.tokens, corpus.offsets, 2, {0});
            CHECK(found.offsets.size() == corpus.offsets.size());
            std::vector<stillhouse::Probability> scores(corpus.tokens.size());
            index->score_batch(corpus.tokens, corpus.offsets, scores, {0});
        });
    }
}

TEST(a_stop_reaches_all_threads) {
    const Corpus corpus;
    const auto index = stillhouse::Index::open(corpus.directory / "index");
    stillhouse::Stop stop;
    std::atomic<int> stopped = 0;
    std::thread canceller([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stop.cancel();
    });
    on_threads(3, [&] {
        try {
            while (true) index->ntd_batch(corpus.tokens, corpus.offsets, 0, {0, &stop});
        } catch (const stillhouse::Stopped&) {
            ++stopped;
        }
    });
    canceller.join();
    CHECK(stopped == 3);
}

TEST(parts_are_sorted_on_threads) {
    const Corpus corpus;
    stillhouse::BuildOptions options;
    options.threads = 0;
    options.memory_limit = (16 << 20) + 24 * 20 + 13 * 5000;
    on_threads(2, [&, n = std::make_shared<std::atomic<int>>(0)] {
        const auto path = corpus.directory / ("parts-" + std::to_string((*n)++));
        stillhouse::build(std::span<const std::uint32_t>(corpus.tokens), corpus.offsets, path, options);
        CHECK(stillhouse::Index::open(path)->digest() ==
              stillhouse::Index::open(corpus.directory / "index")->digest());
    });
}
