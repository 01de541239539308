#include "stillhouse/bigrams.hpp"

#include <bit>

namespace stillhouse {

Bigrams::Bigrams(std::span<const std::vector<Entry>> parts) {
    std::size_t entries = 0;
    for (const auto& part : parts) entries += part.size();
    const std::size_t slots = std::bit_ceil(entries + entries / 2 + 1);
    memory_ = Region::allocate(slots * sizeof(Entry));
    auto* const table = reinterpret_cast<Entry*>(memory_.mutable_data());
    mask_ = slots - 1;
    constexpr std::size_t distance = 16;
    for (const auto& part : parts) {
        for (std::size_t i = 0; i < part.size(); ++i) {
            if (i + distance < part.size()) prefetch(part[i + distance].first, part[i + distance].second);
            std::size_t at = home(part[i].first, part[i].second);
            while (table[at].first != 0) at = (at + 1) & mask_;
            table[at] = part[i];
        }
    }
}

}  // namespace stillhouse
