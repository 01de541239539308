// XXH64, the checksum of every binary file: several GB/s, not cryptographic.
//
// Source: Y. Collet, "xxHash fast digest algorithm", version 0.1.1 (2018), with seed 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace stillhouse {

class Xxh64 {
  public:
    explicit Xxh64(std::uint64_t seed = 0);

    void update(const void* data, std::size_t bytes);

    // The hash of everything so far; more may follow.
    std::uint64_t digest() const;

  private:
    std::uint64_t seed_;
    std::array<std::uint64_t, 4> lanes_;
    std::array<unsigned char, 32> pending_{};
    std::size_t pending_bytes_ = 0;
    std::uint64_t total_bytes_ = 0;
};

std::uint64_t xxh64(const void* data, std::size_t bytes, std::uint64_t seed = 0);

// 16 lower-case hexadecimal digits.
std::string hex64(std::uint64_t value);

}  // namespace stillhouse
