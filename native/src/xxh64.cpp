#include "stillhouse/xxh64.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace stillhouse {
namespace {

constexpr std::uint64_t prime1 = 0x9E3779B185EBCA87;
constexpr std::uint64_t prime2 = 0xC2B2AE3D27D4EB4F;
constexpr std::uint64_t prime3 = 0x165667B19E3779F9;
constexpr std::uint64_t prime4 = 0x85EBCA77C2B2AE63;
constexpr std::uint64_t prime5 = 0x27D4EB2F165667C5;

template <class Word>
Word load(const unsigned char* at) {
    Word word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

std::uint64_t mix(std::uint64_t lane, std::uint64_t input) {
    return std::rotl(lane + input * prime2, 31) * prime1;
}

std::uint64_t merge(std::uint64_t hash, std::uint64_t lane) {
    return (hash ^ mix(0, lane)) * prime1 + prime4;
}

void consume_stripe(std::array<std::uint64_t, 4>& lanes, const unsigned char* at) {
    for (std::size_t i = 0; i < 4; ++i) lanes[i] = mix(lanes[i], load<std::uint64_t>(at + 8 * i));
}

}  // namespace

Xxh64::Xxh64(std::uint64_t seed)
    : seed_(seed), lanes_{seed + prime1 + prime2, seed + prime2, seed, seed - prime1} {}

void Xxh64::update(const void* data, std::size_t bytes) {
    if (bytes == 0) return;
    const auto* at = static_cast<const unsigned char*>(data);
    total_bytes_ += bytes;
    if (pending_bytes_ > 0) {
        const std::size_t taken = std::min(bytes, pending_.size() - pending_bytes_);
        std::memcpy(pending_.data() + pending_bytes_, at, taken);
        pending_bytes_ += taken;
        at += taken;
        bytes -= taken;
        if (pending_bytes_ < pending_.size()) return;
        consume_stripe(lanes_, pending_.data());
        pending_bytes_ = 0;
    }
    // A local copy keeps the four lanes in registers.
    auto lanes = lanes_;
    for (; bytes >= 32; bytes -= 32, at += 32) consume_stripe(lanes, at);
    lanes_ = lanes;
    std::memcpy(pending_.data(), at, bytes);
    pending_bytes_ = bytes;
}

std::uint64_t Xxh64::digest() const {
    std::uint64_t hash = seed_ + prime5;
    if (total_bytes_ >= 32) {
        hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) +
               std::rotl(lanes_[3], 18);
        for (const std::uint64_t lane : lanes_) hash = merge(hash, lane);
    }
    hash += total_bytes_;
    const unsigned char* at = pending_.data();
    std::size_t left = pending_bytes_;
    for (; left >= 8; left -= 8, at += 8)
        hash = std::rotl(hash ^ mix(0, load<std::uint64_t>(at)), 27) * prime1 + prime4;
    if (left >= 4) {
        hash = std::rotl(hash ^ (load<std::uint32_t>(at) * prime1), 23) * prime2 + prime3;
        left -= 4;
        at += 4;
    }
    for (; left > 0; --left, ++at) hash = std::rotl(hash ^ (*at * prime5), 11) * prime1;
    hash = (hash ^ (hash >> 33)) * prime2;
    hash = (hash ^ (hash >> 29)) * prime3;
    return hash ^ (hash >> 32);
}

std::uint64_t xxh64(const void* data, std::size_t bytes, std::uint64_t seed) {
    Xxh64 hash(seed);
    hash.update(data, bytes);
    return hash.digest();
}

std::string hex64(std::uint64_t value) {
    std::string hex(16, '0');
    for (std::size_t i = hex.size(); i-- > 0; value >>= 4) hex[i] = "0123456789abcdef"[value & 15];
    return hex;
}

}  // namespace stillhouse
