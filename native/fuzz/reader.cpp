// libFuzzer target: files of an index that are damaged or replaced must be refused
// or answer, never crash.
#include <fstream>
#include <iterator>

#include "ask.hpp"

namespace {

namespace fs = std::filesystem;

struct Fixture {
    fs::path directory = fuzz::scratch() / "index";
    std::vector<fs::path> files;
    std::vector<std::string> contents;

    Fixture() {
        fuzz::build(directory);
        for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
        std::sort(files.begin(), files.end());
        for (const auto& file : files) {
            std::ifstream in(file, std::ios::binary);
            contents.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
        }
    }

    void write(std::size_t file, const std::string& bytes) const {
        std::ofstream(files[file], std::ios::binary) << bytes;
    }
};

}  // namespace

// First byte: which file; second: what happens to it; then replacements.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Fixture fixture;
    if (size < 2) return 0;
    const std::size_t file = data[0] % fixture.files.size();
    std::string bytes = fixture.contents[file];
    const std::string rest(reinterpret_cast<const char*>(data) + 2, size - 2);
    if (data[1] % 4 == 0) {
        bytes = rest;
    } else if (data[1] % 4 == 1) {
        bytes.resize(rest.size() * bytes.size() / 64 % (bytes.size() + 1));
    } else {
        for (std::size_t i = 0; i + 2 < rest.size(); i += 3) {
            const auto at = static_cast<std::uint8_t>(rest[i]) * 256u + static_cast<std::uint8_t>(rest[i + 1]);
            bytes[at % bytes.size()] = rest[i + 2];
        }
    }
    fixture.write(file, bytes);
    try {
        const auto index = stillhouse::Index::open(fixture.directory, {data[1] % 2 == 0});
        const std::vector<std::uint8_t> questions{1, 2, 5, 1, 4, 255, 3, 0, 2, 2, 5, 6, 1, 1, 4, 2};
        fuzz::ask(*index, questions, false);
        index->verify();
    } catch (const stillhouse::Error&) {
    }
    fixture.write(file, fixture.contents[file]);
    return 0;
}
