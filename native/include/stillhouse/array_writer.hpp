// Writes one binary file of an index: header, elements, checksum, all the way to disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "stillhouse/format.hpp"
#include "stillhouse/manifest.hpp"
#include "stillhouse/xxh64.hpp"

namespace stillhouse {

// Creates a file, refusing to replace one; writes everything given; closes on
// destruction. All members throw BuildError naming the file and the reason.
class OutputFile {
  public:
    explicit OutputFile(std::filesystem::path path);
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    ~OutputFile();

    void write(const void* data, std::size_t bytes);

    // Returns when the bytes are on the disk.
    void sync();

  private:
    std::filesystem::path path_;
    int fd_;
};

// One file of a segment. Append exactly the elements the segment's counts say.
class ArrayWriter {
  public:
    ArrayWriter(const std::filesystem::path& directory, const SegmentEntry& segment, Role role, std::string name);

    template <class T>
    void append(std::span<const T> elements) {
        append_bytes(elements.data(), elements.size_bytes());
    }

    // Syncs the file and returns its manifest entry.
    FileEntry finish();

  private:
    void append_bytes(const void* data, std::size_t bytes);

    OutputFile file_;
    FileEntry entry_;
    Xxh64 hash_;
};

// Makes names created or renamed in a directory durable. Throws BuildError.
void sync_directory(const std::filesystem::path& directory);

}  // namespace stillhouse
