// Sorting the suffixes of a corpus in parts that fit into memory, and merging them.
//
// A suffix ends with its document, so its place depends on its own document only:
// parts of whole documents are sorted alone and merged exactly.
//
// Sources: J. Kärkkäinen, G. Manzini, S. Puglisi, "Permuted Longest-Common-Prefix
// Array", CPM 2009 (common prefixes of neighbours in linear time); W. Ng,
// K. Kakehi, "Merging String Sequences by Longest Common Prefixes", IPSJ 2008 (a
// merge that compares no symbol twice that the prefixes tell already).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

namespace stillhouse {

// Documents [first, last) and where they start in the text.
struct Part {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t start = 0;  // text position of the first one
    std::uint64_t length = 0;  // symbols and ends
};

// Bytes of memory that sorting takes for each position of the text: in one part
// alone, and in one of several, which needs the common prefixes as well.
inline constexpr std::uint64_t bytes_per_position = 10;
inline constexpr std::uint64_t bytes_per_merged_position = 13;

// Cuts D documents, document d starting in the text at offsets[d] + d, into parts
// of at most so many positions, or of one document that has more.
std::vector<Part> cut_into_parts(std::span<const std::uint64_t> offsets, std::uint64_t positions);

// Writes the suffixes of a part and the common prefixes of neighbours as u32 to two
// new files. `text` holds the part as sort_suffixes wants it, with its documents'
// ends as the smallest symbols.
void sort_part(std::span<const std::int32_t> text, std::int32_t alphabet_size, const Part& part,
               const std::filesystem::path& suffixes, const std::filesystem::path& prefixes);

// Merges sorted parts in the order of their documents, two neighbours at a time,
// and hands the result to `append` from left to right. `text` holds the symbols of
// all documents, each with a 0 behind. Files "suffixes-N" and "prefixes-N", N below
// `parts`, in `directory` are read and removed.
template <class Symbol>
void merge_parts(std::span<const Symbol> text, std::size_t parts, const std::filesystem::path& directory,
                 const std::function<void(std::span<const std::uint32_t>)>& append);

}  // namespace stillhouse
