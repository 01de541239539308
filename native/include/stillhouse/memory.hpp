// Memory an index lives in: a mapped file, a file read into RAM, or bare pages.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace stillhouse {

// Owns a range of memory; moves, does not copy. Freed on destruction.
class Region {
  public:
    Region() = default;
    Region(Region&& other) noexcept;
    Region& operator=(Region&& other) noexcept;
    ~Region();

    // Maps a file read-only. Throws FormatError naming the file and the reason.
    static Region map(const std::filesystem::path& file);

    // Reads a file into anonymous memory on huge pages where the system offers
    // them. Throws FormatError as `map`, std::bad_alloc if memory is short.
    static Region read(const std::filesystem::path& file);

    // Zeroed anonymous memory, on huge pages where the system offers them.
    // Throws std::bad_alloc.
    static Region allocate(std::size_t bytes);

    const std::byte* data() const { return data_; }
    std::byte* mutable_data() { return data_; }
    std::size_t size() const { return size_; }

    // The elements from `offset` to the end; the range must hold whole ones.
    template <class T>
    std::span<const T> view(std::size_t offset) const {
        return {reinterpret_cast<const T*>(data_ + offset), (size_ - offset) / sizeof(T)};
    }

  private:
    Region(std::byte* data, std::size_t size) : data_(data), size_(size) {}

    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace stillhouse
