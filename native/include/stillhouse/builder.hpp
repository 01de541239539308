// Builds an index directory from token ids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "stillhouse/manifest.hpp"
#include "stillhouse/suffix_sorting.hpp"

namespace stillhouse {

// Most tokens plus documents that one segment, and today one index, holds.
inline constexpr std::uint64_t max_segment_positions = max_sortable_length;

struct BuildOptions {
    std::string tokenizer_sha256;    // "" or 64 lower-case hexadecimal digits
    Metadata metadata;               // valid UTF-8, unique keys
    unsigned threads = 1;            // that work along; 0: all of the machine
    std::uint64_t memory_limit = 0;  // bytes beside the input, above 32 MiB; 0: no limit
};

// Writes the index of a corpus to `directory`.
//
//   tokens       T token ids; every value of the type may occur
//   doc_offsets  D + 1 offsets into tokens: starts at 0, ends at T, never
//                decreases; document d is tokens[doc_offsets[d], doc_offsets[d + 1])
//   directory    must be missing or empty; its parent must exist
//
// The suffixes of all documents are sorted by symbols up to the document's end,
// which is smaller than any token; equal suffixes are ordered by position.
//
// The index appears under its name complete and synced, or not at all: it is
// written to `directory`.tmp-PID-N beside and renamed. The same input gives the
// same bytes, whatever the threads and the limit. Needs about 10 bytes of memory a
// token beside the input, and as many bytes of disk as the index has. Under a limit
// that is less, parts of whole documents are sorted and then merged, which takes
// longer and 16 bytes of disk a token meanwhile; the text is then read from its
// file, whose pages the system may drop.
//
// Throws ArgumentError for bad offsets or options, BuildError for a corpus over
// max_segment_positions, a document that can't be sorted within the limit, and for
// what the file system refuses, std::bad_alloc.
void build(std::span<const std::uint16_t> tokens, std::span<const std::uint64_t> doc_offsets,
           const std::filesystem::path& directory, const BuildOptions& options = {});
void build(std::span<const std::uint32_t> tokens, std::span<const std::uint64_t> doc_offsets,
           const std::filesystem::path& directory, const BuildOptions& options = {});

}  // namespace stillhouse
