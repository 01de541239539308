// manifest.json: what an index holds, and the files it is made of.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stillhouse/format.hpp"

namespace stillhouse {

using Metadata = std::vector<std::pair<std::string, std::string>>;

struct FileEntry {
    std::string name;         // inside the index directory, no path
    std::uint64_t bytes = 0;  // with the header
    std::uint64_t xxh64 = 0;  // over all bytes
};

// One self-contained part of the corpus.
struct SegmentEntry {
    std::uint64_t content_id = 0;
    std::uint32_t symbol_bytes = 2;  // 2 while distinct_tokens < 65536, else 4
    std::uint64_t tokens = 0;
    std::uint64_t documents = 0;
    std::uint64_t distinct_tokens = 0;
    std::array<FileEntry, roles.size()> files;  // in the order of `roles`

    std::uint64_t elements(Role role) const;
    std::uint32_t element_bytes(Role role) const;
    FileEntry& file(Role role);
    const FileEntry& file(Role role) const;
};

struct Manifest {
    std::string engine_version;
    std::uint32_t token_bytes = 2;  // width of the ids the index was built from, 2 or 4
    std::uint64_t tokens = 0;
    std::uint64_t documents = 0;
    std::uint64_t distinct_tokens = 0;
    std::string tokenizer_sha256;  // may be empty
    Metadata metadata;
    std::vector<SegmentEntry> segments;

    // The file's bytes; the last member is a checksum over all bytes before it.
    std::string to_json() const;

    // Throws FormatError starting with `path` unless the text is a whole manifest
    // of a version this engine reads, with consistent counts.
    static Manifest from_json(std::string_view text, const std::string& path);
};

}  // namespace stillhouse
