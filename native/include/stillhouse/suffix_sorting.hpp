// Suffix sorting over an integer alphabet by induced sorting (SA-IS).
//
// Source: G. Nong, S. Zhang, W. H. Chan, "Two Efficient Algorithms for Linear
// Time Suffix Array Construction", IEEE Transactions on Computers 60(10), 2011.
#pragma once

#include <cstdint>
#include <span>

namespace stillhouse {

// Longest text that can be sorted: indices and their complements share an int32.
inline constexpr std::uint64_t max_sortable_length = 0x7FFFFFFE;

// Sorts all suffixes of `text`; the end of the text is smaller than any symbol.
//
//   text      n symbols, each in [0, alphabet_size)
//   suffixes  n entries; receives a permutation of [0, n), the start positions of
//             the suffixes in ascending order. Must not overlap `text`.
//   threads   how many may work along, 0 for as many as there are; they share what
//             can be split, about a third of the work
//
// Takes O(n + alphabet_size) time whatever the text. Beside the two arrays it
// needs 8 bytes per symbol of the alphabet (or per reduced symbol, at most
// 4 bytes per position). Throws ArgumentError if n exceeds max_sortable_length
// or the sizes differ. A symbol outside its range is undefined behaviour.
void sort_suffixes(std::span<const std::int32_t> text, std::int32_t alphabet_size,
                   std::span<std::int32_t> suffixes, unsigned threads);

}  // namespace stillhouse
