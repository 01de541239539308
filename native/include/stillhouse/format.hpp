// The bytes on disk, shared by the writer and the reader; FORMAT.md explains them.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace stillhouse {

static_assert(std::endian::native == std::endian::little,
              "the index format is little-endian and is read in place");

inline constexpr std::uint32_t format_version = 1;
inline constexpr char format_name[] = "stillhouse-index";
inline constexpr char manifest_name[] = "manifest.json";
inline constexpr std::array<char, 8> file_magic = {'S', 'T', 'I', 'L', 'L', 'I', 'D', 'X'};
inline constexpr std::uint32_t byte_order_mark = 0x01020304;

// What a file of a segment holds.
enum class Role : std::uint32_t {
    alphabet = 1,   // u32[K]      distinct token ids, ascending
    documents = 2,  // u64[D + 1]  token offset of each document, then of the end
    text = 3,       // u16 or u32[T + D]  symbols; 0 ends each document
    suffixes = 4,   // u32[T]      text positions of all tokens in suffix order
    buckets = 5,    // u32[K + 2]  first rank of each symbol, then T
};

inline constexpr std::array<Role, 5> roles = {Role::alphabet, Role::documents, Role::text,
                                              Role::suffixes, Role::buckets};

constexpr const char* role_name(Role role) {
    switch (role) {
        case Role::alphabet: return "alphabet";
        case Role::documents: return "documents";
        case Role::text: return "text";
        case Role::suffixes: return "suffixes";
        case Role::buckets: return "buckets";
    }
    return "unknown";
}

// The first 64 bytes of every binary file; the elements follow.
struct FileHeader {
    std::array<char, 8> magic;
    std::uint32_t version;
    std::uint32_t byte_order;
    std::uint32_t role;
    std::uint32_t element_bytes;
    std::uint64_t elements;
    std::uint64_t content_id;  // the same in all files of a segment and its manifest entry
    std::array<std::uint8_t, 24> reserved;  // zero
};
static_assert(sizeof(FileHeader) == 64);
static_assert(alignof(FileHeader) == 8);
static_assert(offsetof(FileHeader, version) == 8);
static_assert(offsetof(FileHeader, byte_order) == 12);
static_assert(offsetof(FileHeader, role) == 16);
static_assert(offsetof(FileHeader, element_bytes) == 20);
static_assert(offsetof(FileHeader, elements) == 24);
static_assert(offsetof(FileHeader, content_id) == 32);
static_assert(offsetof(FileHeader, reserved) == 40);

}  // namespace stillhouse
