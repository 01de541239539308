// The token ids that occur in a corpus, numbered 1..K in ascending order.
//
// Numbering keeps the text at 2 bytes a token while K < 65536, whatever the ids,
// and leaves symbol 0 for the end of a document.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace stillhouse {

class Alphabet {
  public:
    Alphabet() = default;

    // `ids` must ascend strictly; any uint32 may occur.
    explicit Alphabet(std::vector<std::uint32_t> ids);

    // The symbol in [1, K] of a token id, or 0 if the id does not occur.
    std::uint32_t symbol(std::uint32_t id) const {
        if (slots_.empty()) return id < table_.size() ? table_[id] : 0;
        return slots_[slot_of(id)].symbol;
    }

    // ids()[s - 1] is the token id of symbol s.
    const std::vector<std::uint32_t>& ids() const { return ids_; }

  private:
    struct Slot {
        std::uint32_t id;
        std::uint32_t symbol;  // 0 marks an empty slot
    };

    // The slot that holds the id, or the empty one where it belongs.
    std::size_t slot_of(std::uint32_t id) const;
    void fill_slots();

    std::vector<std::uint32_t> ids_;
    std::vector<std::uint32_t> table_;  // by id, while ids are small
    std::vector<Slot> slots_;           // otherwise: open addressing, half full at most
};

// The distinct values of `tokens`, ascending.
std::vector<std::uint32_t> distinct_tokens(std::span<const std::uint16_t> tokens);
std::vector<std::uint32_t> distinct_tokens(std::span<const std::uint32_t> tokens);

}  // namespace stillhouse
