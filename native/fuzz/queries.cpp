// libFuzzer target: whatever is asked, answers agree with each other.
#include "ask.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto directory = [] {
        auto path = fuzz::scratch() / "index";
        fuzz::build(path);
        return path;
    }();
    static const auto mapped = stillhouse::Index::open(directory);
    static const auto preloaded = stillhouse::Index::open(directory, {true});
    if (size > 400) return 0;
    const std::span<const std::uint8_t> bytes(data, size);
    fuzz::ask(*mapped, bytes, true);
    fuzz::ask(*preloaded, bytes, true);
    return 0;
}
