#include "stillhouse/alphabet.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

namespace stillhouse {
namespace {

constexpr std::uint64_t small_table = 1 << 20;

// A bijection that spreads neighbouring ids (the finalizer of MurmurHash3).
std::uint32_t spread(std::uint32_t x) {
    x = (x ^ (x >> 16)) * 0x85EBCA6B;
    x = (x ^ (x >> 13)) * 0xC2B2AE35;
    return x ^ (x >> 16);
}

// The values of a bit set in ascending order.
std::vector<std::uint32_t> members(const std::vector<std::uint64_t>& bits) {
    std::vector<std::uint32_t> ids;
    for (std::size_t word = 0; word < bits.size(); ++word) {
        for (std::uint64_t left = bits[word]; left != 0; left &= left - 1)
            ids.push_back(static_cast<std::uint32_t>(64 * word) + static_cast<std::uint32_t>(std::countr_zero(left)));
    }
    return ids;
}

template <class Token>
std::vector<std::uint32_t> distinct_by_bits(std::span<const Token> tokens, std::uint32_t largest) {
    std::vector<std::uint64_t> bits(largest / 64 + std::size_t{1}, 0);
    for (const Token id : tokens) bits[std::min<std::size_t>(id, largest) >> 6] |= std::uint64_t{1} << (id & 63);
    return members(bits);
}

// A growing set of ids; slot value 0 is empty, else id + 1.
class IdSet {
  public:
    void insert(std::uint32_t id) {
        if (2 * (ids_ + 1) > slots_.size()) grow();
        const std::size_t at = position(id);
        if (slots_[at] != 0) return;
        slots_[at] = std::uint64_t{id} + 1;
        ++ids_;
    }

    std::vector<std::uint32_t> sorted() const {
        std::vector<std::uint32_t> ids;
        ids.reserve(ids_);
        for (const std::uint64_t slot : slots_) {
            if (slot != 0) ids.push_back(static_cast<std::uint32_t>(slot - 1));
        }
        std::sort(ids.begin(), ids.end());
        return ids;
    }

  private:
    std::size_t position(std::uint32_t id) const {
        const std::size_t mask = slots_.size() - 1;
        std::size_t at = spread(id) & mask;
        while (slots_[at] != 0 && slots_[at] != std::uint64_t{id} + 1) at = (at + 1) & mask;
        return at;
    }

    void grow() {
        const std::vector<std::uint64_t> old = std::exchange(slots_, std::vector<std::uint64_t>(2 * slots_.size()));
        for (const std::uint64_t slot : old) {
            if (slot != 0) slots_[position(static_cast<std::uint32_t>(slot - 1))] = slot;
        }
    }

    std::vector<std::uint64_t> slots_ = std::vector<std::uint64_t>(1024);
    std::size_t ids_ = 0;
};

}  // namespace

Alphabet::Alphabet(std::vector<std::uint32_t> ids) : ids_(std::move(ids)) {
    if (ids_.empty()) return;
    if (ids_.back() < std::max<std::uint64_t>(small_table, 2 * ids_.size())) {
        table_.assign(ids_.back() + std::size_t{1}, 0);
        for (std::size_t i = 0; i < ids_.size(); ++i) table_[ids_[i]] = static_cast<std::uint32_t>(i + 1);
    } else {
        fill_slots();
    }
}

std::size_t Alphabet::slot_of(std::uint32_t id) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = spread(id) & mask;
    while (slots_[at].symbol != 0 && slots_[at].id != id) at = (at + 1) & mask;
    return at;
}

void Alphabet::fill_slots() {
    slots_.assign(std::bit_ceil(2 * ids_.size()), Slot{0, 0});
    for (std::size_t i = 0; i < ids_.size(); ++i)
        slots_[slot_of(ids_[i])] = {ids_[i], static_cast<std::uint32_t>(i + 1)};
}

std::vector<std::uint32_t> distinct_tokens(std::span<const std::uint16_t> tokens) {
    return distinct_by_bits(tokens, 0xFFFF);
}

std::vector<std::uint32_t> distinct_tokens(std::span<const std::uint32_t> tokens) {
    if (tokens.empty()) return {};
    const std::uint32_t largest = *std::max_element(tokens.begin(), tokens.end());
    // A bit set of at most one byte a token is the fastest; sparse ids get a hash set.
    if (largest < std::max<std::uint64_t>(8 * small_table, 8 * std::uint64_t{tokens.size()}))
        return distinct_by_bits(tokens, largest);
    IdSet set;
    for (const std::uint32_t id : tokens) set.insert(id);
    return set.sorted();
}

}  // namespace stillhouse
