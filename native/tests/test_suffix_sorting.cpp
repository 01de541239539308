// sort_suffixes against comparison sorting, and on the strings that break sorters.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "check.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/suffix_sorting.hpp"

namespace {

using Text = std::vector<std::int32_t>;

Text sorted_suffixes(const Text& text, std::int32_t alphabet_size) {
    Text suffixes(text.size(), -7);
    stillhouse::sort_suffixes(text, alphabet_size, suffixes, 1);
    Text together(text.size(), -7);
    stillhouse::sort_suffixes(text, alphabet_size, together, 0);
    CHECK(together == suffixes);
    return suffixes;
}

Text naive_suffixes(const Text& text) {
    Text suffixes(text.size());
    std::iota(suffixes.begin(), suffixes.end(), 0);
    std::sort(suffixes.begin(), suffixes.end(), [&](std::int32_t a, std::int32_t b) {
        return std::lexicographical_compare(text.begin() + a, text.end(), text.begin() + b,
                                            text.end());
    });
    return suffixes;
}

// Linear-time proof of order: a permutation in which each neighbour pair agrees
// on first symbols and on the ranks of the rests.
bool is_suffix_array(const Text& text, const Text& suffixes) {
    const std::size_t n = text.size();
    Text rank(n + 1, -2);
    rank[n] = -1;
    for (std::size_t i = 0; i < n; ++i) {
        const auto j = static_cast<std::size_t>(suffixes[i]);
        if (j >= n || rank[j] != -2) return false;
        rank[j] = static_cast<std::int32_t>(i);
    }
    for (std::size_t i = 1; i < n; ++i) {
        const auto a = static_cast<std::size_t>(suffixes[i - 1]);
        const auto b = static_cast<std::size_t>(suffixes[i]);
        if (text[a] > text[b] || (text[a] == text[b] && rank[a + 1] > rank[b + 1])) return false;
    }
    return true;
}

void check_sorts(const Text& text, std::int32_t alphabet_size) {
    CHECK(is_suffix_array(text, sorted_suffixes(text, alphabet_size)));
}

}  // namespace

TEST(sorts_every_short_text_over_small_alphabets) {
    for (std::int32_t k = 1; k <= 5; ++k) {
        const std::size_t longest = k == 1 ? 80 : k == 2 ? 14 : k == 3 ? 9 : 7;
        for (std::size_t n = 0; n <= longest; ++n) {
            Text text(n, 0);
            while (true) {
                CHECK(sorted_suffixes(text, k) == naive_suffixes(text));
                std::size_t i = 0;
                while (i < n && text[i] == k - 1) text[i++] = 0;
                if (i == n) break;
                ++text[i];
            }
        }
    }
}

TEST(sorts_random_texts) {
    std::mt19937 random(7);
    for (int round = 0; round < 3000; ++round) {
        const auto n = random() % 400;
        const auto k = static_cast<std::int32_t>(1 + random() % (round % 3 == 0 ? 3 : 300));
        Text text(n);
        for (auto& symbol : text) symbol = static_cast<std::int32_t>(random() % static_cast<unsigned>(k));
        CHECK(sorted_suffixes(text, k) == naive_suffixes(text));
    }
}

TEST(sorts_large_random_texts) {
    std::mt19937 random(11);
    for (const std::int32_t k : {2, 4, 256, 65535, 2000000}) {
        Text text(1000003);
        for (auto& symbol : text) symbol = static_cast<std::int32_t>(random() % static_cast<unsigned>(k));
        check_sorts(text, k);
    }
}

TEST(sorts_lengths_around_the_prefetch_window) {
    std::mt19937 random(13);
    for (std::size_t n = 0; n < 200; ++n) {
        for (const std::int32_t k : {1, 2, 50}) {
            Text text(n);
            for (auto& symbol : text) symbol = static_cast<std::int32_t>(random() % static_cast<unsigned>(k));
            CHECK(sorted_suffixes(text, k) == naive_suffixes(text));
        }
    }
}

TEST(sorts_monotone_and_equal_texts) {
    const std::int32_t n = 1000000;
    Text text(static_cast<std::size_t>(n));
    check_sorts(Text(text.size(), 0), 1);
    std::iota(text.begin(), text.end(), 0);
    check_sorts(text, n);
    std::reverse(text.begin(), text.end());
    check_sorts(text, n);
}

TEST(sorts_texts_of_several_pieces) {
    std::mt19937 random(3);
    for (const std::int32_t k : {3, 40000}) {
        Text text(3000000);
        for (auto& symbol : text) symbol = static_cast<std::int32_t>(random() % static_cast<unsigned>(k));
        std::copy_n(text.begin(), 700000, text.begin() + 1500000);  // and many equal substrings
        check_sorts(text, k);
    }
}

TEST(sorts_periodic_texts) {
    for (const std::int32_t period : {2, 3, 7, 64, 1000}) {
        Text text(500000);
        for (std::size_t i = 0; i < text.size(); ++i)
            text[i] = static_cast<std::int32_t>(i % static_cast<std::size_t>(period));
        check_sorts(text, period);
        text.back() = 0;
        check_sorts(text, period);
    }
}

TEST(sorts_fibonacci_and_thue_morse) {
    Text a{0};
    Text b{0, 1};
    while (b.size() < 1000000) {
        Text next = b;
        next.insert(next.end(), a.begin(), a.end());
        a = std::move(b);
        b = std::move(next);
    }
    check_sorts(b, 2);
    Text morse(1 << 20);
    for (std::size_t i = 0; i < morse.size(); ++i)
        morse[i] = __builtin_popcountll(i) & 1;
    check_sorts(morse, 2);
}

TEST(sorts_de_bruijn_sequences) {
    // Linear feedback shift register with period 2^20 - 1.
    Text text;
    std::uint32_t state = 1;
    for (int i = 0; i < (1 << 20); ++i) {
        text.push_back(static_cast<std::int32_t>(state & 1));
        const std::uint32_t bit = (state ^ (state >> 3)) & 1;
        state = (state >> 1) | (bit << 19);
    }
    check_sorts(text, 2);
}

TEST(sorts_equal_documents_with_distinct_separators) {
    const std::int32_t documents = 1000;
    Text text;
    for (std::int32_t d = 0; d < documents; ++d) {
        for (int i = 0; i < 300; ++i) text.push_back(documents + i % 5);
        text.push_back(d);
    }
    const Text suffixes = sorted_suffixes(text, documents + 5);
    CHECK(is_suffix_array(text, suffixes));
    // Separators come first and ties go by position.
    for (std::int32_t d = 0; d < documents; ++d) CHECK(suffixes[static_cast<std::size_t>(d)] == d * 301 + 300);
}

TEST(refuses_arrays_of_different_lengths) {
    const Text text{0, 0};
    Text suffixes(1);
    const auto message = check::thrown<stillhouse::ArgumentError>(
        [&] { stillhouse::sort_suffixes(text, 1, suffixes, 1); });
    CHECK(check::contains(message, "suffixes"));
}
