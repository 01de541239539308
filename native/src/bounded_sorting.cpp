#include "bounded_sorting.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "stillhouse/array_writer.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/memory.hpp"
#include "stillhouse/search.hpp"
#include "stillhouse/suffix_sorting.hpp"

namespace stillhouse {
namespace {

constexpr std::size_t piece = 1 << 16;  // elements that are read or written at once

// u32 elements of a file, from left to right.
class Reader {
  public:
    explicit Reader(const std::filesystem::path& path) : path_(path), in_(path, std::ios::binary) {
        if (!in_) throw BuildError(path.string() + ": could not open");
        fill();
    }

    bool done() const { return at_ == buffer_.size(); }
    std::uint32_t value() const { return buffer_[at_]; }
    void next() {
        if (++at_ == buffer_.size()) fill();
    }

  private:
    void fill() {
        buffer_.resize(piece);
        in_.read(reinterpret_cast<char*>(buffer_.data()), piece * sizeof(std::uint32_t));
        if (in_.bad()) throw BuildError(path_.string() + ": could not read");
        buffer_.resize(static_cast<std::size_t>(in_.gcount()) / sizeof(std::uint32_t));
        at_ = 0;
    }

    std::filesystem::path path_;
    std::ifstream in_;
    std::vector<std::uint32_t> buffer_;
    std::size_t at_ = 0;
};

// u32 elements to a new file.
class Writer {
  public:
    explicit Writer(const std::filesystem::path& path) : file_(path) { buffer_.reserve(piece); }

    void push(std::uint32_t value) {
        buffer_.push_back(value);
        if (buffer_.size() == piece) flush();
    }
    void flush() {
        file_.write(buffer_.data(), buffer_.size() * sizeof(std::uint32_t));
        buffer_.clear();
    }

  private:
    OutputFile file_;
    std::vector<std::uint32_t> buffer_;
};

// A sorted part on its way into a merge. `shared` symbols of its head equal the
// last suffix that was put out.
struct Run {
    Reader suffixes;
    Reader prefixes;
    std::uint32_t shared = 0;

    explicit Run(const std::pair<std::filesystem::path, std::filesystem::path>& files)
        : suffixes(files.first), prefixes(files.second) {}

    bool done() const { return suffixes.done(); }
    void next() {
        suffixes.next();
        prefixes.next();
        if (!done()) shared = prefixes.value();
    }
};

// Merges two runs; put(suffix, symbols it shares with the one before).
template <class Symbol, class Put>
void merge(std::span<const Symbol> text, Run& left, Run& right, Put put) {
    while (!left.done() && !right.done()) {
        if (left.shared == right.shared) {
            const std::size_t a = left.suffixes.value();
            const std::size_t b = right.suffixes.value();
            const std::uint32_t before = left.shared;
            // Up to the first difference, or the first end.
            std::size_t shared = before;
            const std::size_t room = text.size() - std::max(a, b);
            while (shared < room && text[a + shared] == text[b + shared] && text[a + shared] != 0) ++shared;
            // Of equal ones the left is first.
            const bool left_first = shared >= room || text[a + shared] <= text[b + shared];
            Run& first = left_first ? left : right;
            Run& second = left_first ? right : left;
            put(static_cast<std::uint32_t>(left_first ? a : b), before);
            second.shared = static_cast<std::uint32_t>(shared);
            first.next();
        } else {
            // The one that shares more with what both are behind is the smaller one.
            Run& first = left.shared > right.shared ? left : right;
            put(first.suffixes.value(), first.shared);
            first.next();
        }
    }
    for (Run* rest : {&left, &right}) {
        for (; !rest->done(); rest->next()) put(rest->suffixes.value(), rest->shared);
    }
}

}  // namespace

std::vector<Part> cut_into_parts(std::span<const std::uint64_t> offsets, std::uint64_t positions) {
    const std::uint64_t documents = offsets.size() - 1;
    const auto start = [&](std::uint64_t document) { return offsets[document] + document; };
    std::vector<Part> parts;
    for (std::uint64_t first = 0; first < documents;) {
        std::uint64_t last = first + 1;
        while (last < documents && start(last + 1) - start(first) <= positions) ++last;
        parts.push_back({first, last, start(first), start(last) - start(first)});
        first = last;
    }
    return parts;
}

void sort_part(std::span<const std::int32_t> text, std::int32_t alphabet_size, const Part& part,
               const std::filesystem::path& suffixes, const std::filesystem::path& prefixes) {
    Region memory = Region::allocate(text.size_bytes());
    Region work = Region::allocate(text.size_bytes());
    const std::span<std::int32_t> sorted(reinterpret_cast<std::int32_t*>(work.mutable_data()), text.size());
    sort_suffixes(text, alphabet_size, sorted, 1);  // the parts share the threads
    const std::span<const std::int32_t> tokens = sorted.subspan(part.last - part.first);
    // For each suffix the one before it in order; then how much they share.
    auto* const shared = reinterpret_cast<std::int32_t*>(memory.mutable_data());
    for (std::size_t i = 0; i < sorted.size(); ++i) shared[sorted[i]] = i > 0 ? sorted[i - 1] : -1;
    std::size_t length = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const std::int32_t before = shared[at];
        if (before < 0) {
            length = 0;
        } else {
            // Ends of documents are all different, so this stays inside the text.
            while (text[at + length] == text[static_cast<std::size_t>(before) + length]) ++length;
        }
        shared[at] = static_cast<std::int32_t>(length);
        if (length > 0) --length;
    }
    Writer to_suffixes(suffixes);
    Writer to_prefixes(prefixes);
    for (const std::int32_t at : tokens) {
        to_suffixes.push(static_cast<std::uint32_t>(part.start + static_cast<std::uint64_t>(at)));
        to_prefixes.push(static_cast<std::uint32_t>(shared[at]));
    }
    to_suffixes.flush();
    to_prefixes.flush();
}

template <class Symbol>
void merge_parts(std::span<const Symbol> text, std::size_t parts, const std::filesystem::path& directory,
                 const std::function<void(std::span<const std::uint32_t>)>& append) {
    const auto files = [&](std::size_t number) {
        return std::pair{directory / ("suffixes-" + std::to_string(number)),
                         directory / ("prefixes-" + std::to_string(number))};
    };
    const auto remove = [&](std::size_t number) {
        std::filesystem::remove(files(number).first);
        std::filesystem::remove(files(number).second);
    };
    std::vector<std::size_t> runs(parts);
    for (std::size_t i = 0; i < parts; ++i) runs[i] = i;
    std::size_t next = parts;
    while (runs.size() > 2) {
        std::vector<std::size_t> merged;
        for (std::size_t i = 0; i < runs.size(); i += 2) {
            if (i + 1 == runs.size()) {
                merged.push_back(runs[i]);
                break;
            }
            {
                Run left(files(runs[i]));
                Run right(files(runs[i + 1]));
                Writer suffixes(files(next).first);
                Writer prefixes(files(next).second);
                merge(text, left, right, [&](std::uint32_t suffix, std::uint32_t shared) {
                    suffixes.push(suffix);
                    prefixes.push(shared);
                });
                suffixes.flush();
                prefixes.flush();
            }
            remove(runs[i]);
            remove(runs[i + 1]);
            merged.push_back(next++);
        }
        runs = merged;
    }
    {
        Run left(files(runs.front()));
        Run right(files(runs.back()));
        std::vector<std::uint32_t> buffer;
        buffer.reserve(piece);
        merge(text, left, right, [&](std::uint32_t suffix, std::uint32_t) {
            buffer.push_back(suffix);
            if (buffer.size() == piece) {
                append(buffer);
                buffer.clear();
            }
        });
        append(buffer);
    }
    for (const std::size_t run : runs) remove(run);
}

template void merge_parts(std::span<const std::uint16_t>, std::size_t, const std::filesystem::path&,
                          const std::function<void(std::span<const std::uint32_t>)>&);
template void merge_parts(std::span<const std::uint32_t>, std::size_t, const std::filesystem::path&,
                          const std::function<void(std::span<const std::uint32_t>)>&);

}  // namespace stillhouse
