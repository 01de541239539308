// The extension module stillhouse_native._core: converts arguments and results,
// releases the GIL around all work, forwards errors. Defaults and documentation
// are in the Python files beside it.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "stillhouse/builder.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/index.hpp"
#include "stillhouse/pool.hpp"
#include "stillhouse/version.hpp"

namespace py = pybind11;

namespace {

using stillhouse::ArgumentError;
using Tokens = std::vector<std::uint32_t>;
using Offsets = std::vector<std::uint64_t>;

template <class T>
std::string limit_text() {
    return std::to_string(std::numeric_limits<T>::max());
}

[[noreturn]] void refuse_element(const char* name, std::size_t i, const std::string& value, const std::string& limit) {
    throw ArgumentError(std::string(name) + "[" + std::to_string(i) + "] = " + value +
                        " is out of range; values run from 0 to " + limit);
}

[[noreturn]] void refuse_argument(const char* name, const std::string& got) {
    throw ArgumentError(std::string(name) + " must be a one-dimensional integer array or a list of int, not " + got);
}

// Copies a strided array of From to a vector of To, refusing what does not fit.
template <class From, class To>
std::vector<To> copy_elements(const char* name, const py::array& array) {
    const auto* at = static_cast<const char*>(array.data());
    const py::ssize_t stride = array.strides(0);
    std::vector<To> out(static_cast<std::size_t>(array.size()));
    for (std::size_t i = 0; i < out.size(); ++i, at += stride) {
        From value;
        std::memcpy(&value, at, sizeof value);
        if (!std::in_range<To>(value)) refuse_element(name, i, std::to_string(value), limit_text<To>());
        out[i] = static_cast<To>(value);
    }
    return out;
}

template <class To>
std::vector<To> from_array(const char* name, const py::array& array) {
    const py::dtype dtype = array.dtype();
    if (array.ndim() != 1) refuse_argument(name, "an array of " + std::to_string(array.ndim()) + " dimensions");
    // numpy's default for no elements is float64; nothing can be wrong with them.
    if (array.size() == 0) return {};
    if (dtype.byteorder() == '>') refuse_argument(name, "one of foreign byte order; convert it with astype");
    if (dtype.kind() == 'u') {
        switch (dtype.itemsize()) {
            case 1: return copy_elements<std::uint8_t, To>(name, array);
            case 2: return copy_elements<std::uint16_t, To>(name, array);
            case 4: return copy_elements<std::uint32_t, To>(name, array);
            case 8: return copy_elements<std::uint64_t, To>(name, array);
            default: break;
        }
    } else if (dtype.kind() == 'i') {
        switch (dtype.itemsize()) {
            case 1: return copy_elements<std::int8_t, To>(name, array);
            case 2: return copy_elements<std::int16_t, To>(name, array);
            case 4: return copy_elements<std::int32_t, To>(name, array);
            case 8: return copy_elements<std::int64_t, To>(name, array);
            default: break;
        }
    }
    refuse_argument(name, "an array of " + std::string(py::str(dtype)));
}

// Signed numbers hold a token id or -1, the end of a document.
template <class To>
To from_number(const char* name, std::size_t i, const py::object& number);

template <>
std::int64_t from_number(const char* name, std::size_t i, const py::object& number) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow != 0) refuse_element(name, i, std::string(py::str(number)), limit_text<std::uint32_t>());
    return value;
}

template <class To>
To from_number(const char* name, std::size_t i, const py::object& number) {
    const unsigned long long value = PyLong_AsUnsignedLongLong(number.ptr());
    const bool overflow = value == static_cast<unsigned long long>(-1) && PyErr_Occurred();
    if (overflow) PyErr_Clear();
    if (overflow || !std::in_range<To>(value))
        refuse_element(name, i, std::string(py::str(number)), limit_text<To>());
    return static_cast<To>(value);
}

template <class To>
To from_item(const char* name, std::size_t i, PyObject* item) {
    if (PyBool_Check(item)) refuse_argument(name, "a list with bool");
    // Anything with __index__, so also numpy's integers.
    const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(item));
    if (!number) {
        PyErr_Clear();
        refuse_argument(name, std::string("a list with ") + Py_TYPE(item)->tp_name);
    }
    return from_number<To>(name, i, number);
}

// A single argument.
template <class To>
To from_item(const char* name, PyObject* item) {
    const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(item));
    if (!number || PyBool_Check(item)) {
        PyErr_Clear();
        throw ArgumentError(std::string(name) + " must be an int, not " + Py_TYPE(item)->tp_name);
    }
    return from_number<To>(name, 0, number);
}

// The items of a list or tuple if all are plain ints of the type, as nearly all are.
// No Python code runs in between, so the items need no references of their own.
template <class To>
bool plain_ints(PyObject* object, std::vector<To>& out) {
    if (!PyList_CheckExact(object) && !PyTuple_CheckExact(object)) return false;
    constexpr Py_ssize_t ahead = 16;
    PyObject** const items = PySequence_Fast_ITEMS(object);
    const Py_ssize_t size = PySequence_Fast_GET_SIZE(object);
    out.resize(static_cast<std::size_t>(size));
    for (Py_ssize_t i = 0; i < size; ++i) {
        if (i + ahead < size) __builtin_prefetch(items[i + ahead]);
        if (!PyLong_CheckExact(items[i])) return false;
        int overflow = 0;
        const long long value = PyLong_AsLongLongAndOverflow(items[i], &overflow);
        if (overflow != 0 || !std::in_range<To>(value)) return false;
        out[static_cast<std::size_t>(i)] = static_cast<To>(value);
    }
    return true;
}

template <class To>
std::vector<To> to_vector(const char* name, const py::object& values) {
    if (py::isinstance<py::array>(values)) return from_array<To>(name, py::reinterpret_borrow<py::array>(values));
    PyObject* const object = values.ptr();
    const bool text = PyUnicode_Check(object) || PyBytes_Check(object) || PyByteArray_Check(object);
    if (text || !PySequence_Check(object)) refuse_argument(name, Py_TYPE(object)->tp_name);
    std::vector<To> out;
    if (plain_ints(object, out)) return out;
    // A tuple can't shrink while __index__ of an item runs Python code.
    const py::tuple items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(object));
    if (!items) throw py::error_already_set();
    out.clear();
    out.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); ++i)
        out.push_back(from_item<To>(name, i, PyTuple_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(i))));
    return out;
}

template <class T>
std::span<T> writable(py::array_t<T>& array) {
    return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

template <class T>
py::array_t<T> new_array(std::size_t size) {
    return py::array_t<T>(static_cast<py::ssize_t>(size));
}

// A Python int that must be a whole number from 0 on.
std::uint64_t to_number(const char* name, const py::object& value) {
    const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
    if (!number || PyBool_Check(value.ptr())) {
        PyErr_Clear();
        throw ArgumentError(std::string(name) + " must be an int, not " + Py_TYPE(value.ptr())->tp_name);
    }
    const unsigned long long result = PyLong_AsUnsignedLongLong(number.ptr());
    if (PyErr_Occurred()) {
        PyErr_Clear();
        throw ArgumentError(std::string(name) + " = " + std::string(py::str(number)) + " is out of range");
    }
    return result;
}

// The memory of an array the engine can read in place, or nothing.
template <class Token>
const Token* in_place(const py::object& tokens) {
    if (!py::isinstance<py::array_t<Token, py::array::c_style>>(tokens)) return nullptr;
    const auto array = py::reinterpret_borrow<py::array>(tokens);
    if (array.ndim() != 1 || array.dtype().byteorder() == '>') return nullptr;
    const auto* data = static_cast<const Token*>(array.data());
    return reinterpret_cast<std::uintptr_t>(data) % alignof(Token) == 0 ? data : nullptr;
}

void build(const py::object& tokens, const py::object& doc_offsets, const std::string& out_dir,
           const std::string& tokenizer_sha256, const stillhouse::Metadata& metadata, const py::object& threads,
           const py::object& memory_limit) {
    const Offsets offsets = to_vector<std::uint64_t>("doc_offsets", doc_offsets);
    const stillhouse::BuildOptions options{
        tokenizer_sha256, metadata, static_cast<unsigned>(std::min<std::uint64_t>(to_number("threads", threads), 1 << 16)),
        to_number("memory_limit", memory_limit)};
    const auto run = [&]<class Token>(const Token* data, std::size_t size) {
        const py::gil_scoped_release release;
        stillhouse::build(std::span<const Token>(data, size), offsets, out_dir, options);
    };
    if (const auto* narrow = in_place<std::uint16_t>(tokens)) return run(narrow, py::len(tokens));
    if (const auto* wide = in_place<std::uint32_t>(tokens)) return run(wide, py::len(tokens));
    const Tokens copied = to_vector<std::uint32_t>("tokens", tokens);
    run(copied.data(), copied.size());
}

// What Python holds: closing drops this reference, running calls keep their own.
class Handle {
  public:
    Handle(const std::string& directory, bool preload, const std::string& tokenizer_sha256) {
        const py::gil_scoped_release release;
        index_ = stillhouse::Index::open(directory, {preload, tokenizer_sha256});
    }

    void close() {
        const std::shared_ptr<const stillhouse::Index> last = std::move(index_);
        const py::gil_scoped_release release;  // unmapping a large index takes a while
    }

    bool closed() const { return !index_; }

    std::shared_ptr<const stillhouse::Index> get() const {
        if (!index_) throw stillhouse::Error("the index is closed; open it again");
        return index_;
    }

  private:
    std::shared_ptr<const stillhouse::Index> index_;
};

// A property of the open index.
template <auto member>
auto property(const Handle& self) {
    return ((*self.get()).*member)();
}

// What Python holds to end calls early.
class StopHandle {
  public:
    explicit StopHandle(std::optional<double> timeout) {
        if (!timeout) {
            stop_ = std::make_shared<stillhouse::Stop>();
            return;
        }
        if (!(*timeout >= 0 && *timeout <= 1e9))
            throw ArgumentError("timeout must be a number of seconds from 0 to 1e9, or None");
        stop_ = std::make_shared<stillhouse::Stop>(
            std::chrono::duration_cast<stillhouse::Stop::Clock::duration>(std::chrono::duration<double>(*timeout)));
    }

    void cancel() { stop_->cancel(); }
    bool stopped() const { return stop_->stopped(); }
    std::shared_ptr<stillhouse::Stop> get() const { return stop_; }

  private:
    std::shared_ptr<stillhouse::Stop> stop_;
};

// Keeps its Stop alive while a call runs without the GIL.
struct Options {
    std::shared_ptr<stillhouse::Stop> owner;
    stillhouse::CallOptions call;
};

Options to_options(const py::object& threads, const StopHandle* stop) {
    Options options;
    if (stop) options.owner = stop->get();
    options.call = {static_cast<unsigned>(std::min<std::uint64_t>(to_number("threads", threads), 1 << 16)),
                    options.owner.get()};
    return options;
}

struct Ragged {
    Tokens values;
    Offsets offsets;

    Ragged(const py::object& values_, const py::object& offsets_)
        : values(to_vector<std::uint32_t>("values", values_)), offsets(to_vector<std::uint64_t>("offsets", offsets_)) {}
    std::size_t queries() const { return offsets.empty() ? 0 : offsets.size() - 1; }
};

template <class T>
py::array_t<T> to_array(const std::vector<T>& values) {
    auto array = new_array<T>(values.size());
    if (!values.empty()) std::memcpy(array.mutable_data(), values.data(), values.size() * sizeof(T));
    return array;
}

// Runs work() without the GIL.
template <class Work>
auto unlocked(Work work) {
    const py::gil_scoped_release release;
    return work();
}

std::uint64_t count(const Handle& self, const py::object& tokens) {
    const auto index = self.get();
    const Tokens query = to_vector<std::uint32_t>("tokens", tokens);
    return unlocked([&] { return index->count(query); });
}

std::pair<std::uint64_t, std::uint64_t> find(const Handle& self, const py::object& tokens) {
    const auto index = self.get();
    const Tokens query = to_vector<std::uint32_t>("tokens", tokens);
    const stillhouse::Range range = unlocked([&] { return index->find(query); });
    return {range.lo, range.hi};
}

py::array_t<std::uint64_t> count_batch(const Handle& self, const py::object& values, const py::object& offsets,
                                       const py::object& threads, const StopHandle* stop) {
    const auto index = self.get();
    const Ragged ragged(values, offsets);
    const Options options = to_options(threads, stop);
    auto counts = new_array<std::uint64_t>(ragged.queries());
    const std::span<std::uint64_t> out = writable(counts);
    unlocked([&] { index->count_batch(ragged.values, ragged.offsets, out, options.call); });
    return counts;
}

py::tuple find_batch(const Handle& self, const py::object& values, const py::object& offsets,
                     const py::object& threads, const StopHandle* stop) {
    const auto index = self.get();
    const Ragged ragged(values, offsets);
    const Options options = to_options(threads, stop);
    std::vector<stillhouse::Range> ranges(ragged.queries());
    unlocked([&] { index->find_batch(ragged.values, ragged.offsets, ranges, options.call); });
    auto lo = new_array<std::uint64_t>(ranges.size());
    auto hi = new_array<std::uint64_t>(ranges.size());
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        lo.mutable_data()[i] = ranges[i].lo;
        hi.mutable_data()[i] = ranges[i].hi;
    }
    return py::make_tuple(lo, hi);
}

using Matches = std::pair<py::array_t<std::uint32_t>, py::array_t<std::uint64_t>>;

// Runs match(lengths, counts) without the GIL on new arrays of `size` entries.
template <class Match>
Matches collect_matches(std::size_t size, Match match) {
    Matches matches{new_array<std::uint32_t>(size), new_array<std::uint64_t>(size)};
    const auto lengths = writable(matches.first);
    const auto counts = writable(matches.second);
    unlocked([&] { match(lengths, counts); });
    return matches;
}

Matches match_lengths(const Handle& self, const py::object& tokens, const py::object& threads, const StopHandle* stop) {
    const auto index = self.get();
    const Tokens query = to_vector<std::uint32_t>("tokens", tokens);
    const Options options = to_options(threads, stop);
    return collect_matches(query.size(), [&](auto lengths, auto counts) {
        index->match_lengths(query, lengths, counts, options.call);
    });
}

Matches match_lengths_batch(const Handle& self, const py::object& values, const py::object& offsets,
                            const py::object& threads, const StopHandle* stop) {
    const auto index = self.get();
    const Ragged ragged(values, offsets);
    const Options options = to_options(threads, stop);
    return collect_matches(ragged.values.size(), [&](auto lengths, auto counts) {
        index->match_lengths_batch(ragged.values, ragged.offsets, lengths, counts, options.call);
    });
}

double ratio(const stillhouse::Probability& p) {
    return p.context_count == 0 ? std::numeric_limits<double>::quiet_NaN()
                                : static_cast<double>(p.count) / static_cast<double>(p.context_count);
}

py::tuple prob(const Handle& self, const py::object& context, const py::object& next, bool longest_suffix) {
    const auto index = self.get();
    const Tokens tokens = to_vector<std::uint32_t>("tokens", context);
    const auto token = from_item<std::int64_t>("token", next.ptr());
    const auto p = unlocked(
        [&] { return longest_suffix ? index->infgram_prob(tokens, token) : index->prob(tokens, token); });
    return py::make_tuple(ratio(p), p.count, p.context_count, p.suffix_length, p.sparse);
}

py::tuple to_arrays(const std::vector<stillhouse::Probability>& found) {
    auto probabilities = new_array<double>(found.size());
    auto counts = new_array<std::uint64_t>(found.size());
    auto contexts = new_array<std::uint64_t>(found.size());
    auto lengths = new_array<std::uint32_t>(found.size());
    auto sparse = new_array<bool>(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        probabilities.mutable_data()[i] = ratio(found[i]);
        counts.mutable_data()[i] = found[i].count;
        contexts.mutable_data()[i] = found[i].context_count;
        lengths.mutable_data()[i] = static_cast<std::uint32_t>(found[i].suffix_length);
        sparse.mutable_data()[i] = found[i].sparse;
    }
    return py::make_tuple(probabilities, counts, contexts, lengths, sparse);
}

py::tuple prob_batch(const Handle& self, const py::object& values, const py::object& offsets, const py::object& next,
                     bool longest_suffix, const py::object& threads, const StopHandle* stop) {
    const auto index = self.get();
    const Ragged ragged(values, offsets);
    const auto tokens = to_vector<std::int64_t>("next_tokens", next);
    const Options options = to_options(threads, stop);
    std::vector<stillhouse::Probability> found(ragged.queries());
    unlocked([&] {
        if (longest_suffix)
            index->infgram_prob_batch(ragged.values, ragged.offsets, tokens, found, options.call);
        else
            index->prob_batch(ragged.values, ragged.offsets, tokens, found, options.call);
    });
    return to_arrays(found);
}

py::tuple score_batch(const Handle& self, const py::object& values, const py::object& offsets,
                      const py::object& threads, const StopHandle* stop) {
    const auto index = self.get();
    const Ragged ragged(values, offsets);
    const Options options = to_options(threads, stop);
    std::vector<stillhouse::Probability> found(ragged.values.size());
    unlocked([&] { index->score_batch(ragged.values, ragged.offsets, found, options.call); });
    return to_arrays(found);
}

py::tuple to_tuple(const stillhouse::Distributions& found) {
    auto sparse = new_array<bool>(found.sparse.size());
    std::copy(found.sparse.begin(), found.sparse.end(), sparse.mutable_data());
    return py::make_tuple(to_array(found.tokens), to_array(found.counts), to_array(found.offsets),
                          to_array(found.context_counts), to_array(found.suffix_lengths), sparse);
}

stillhouse::Distributions ntds(const stillhouse::Index& index, std::span<const std::uint32_t> values,
                               std::span<const std::uint64_t> offsets, std::uint64_t top, bool longest_suffix,
                               const Options& options) {
    return unlocked([&] {
        return longest_suffix ? index.infgram_ntd_batch(values, offsets, top, options.call)
                              : index.ntd_batch(values, offsets, top, options.call);
    });
}

py::tuple ntd_batch(const Handle& self, const py::object& values, const py::object& offsets, const py::object& top,
                    bool longest_suffix, const py::object& threads, const StopHandle* stop) {
    const auto index = self.get();
    const Ragged ragged(values, offsets);
    const Options options = to_options(threads, stop);
    return to_tuple(ntds(*index, ragged.values, ragged.offsets, to_number("top", top), longest_suffix, options));
}

py::tuple ntd(const Handle& self, const py::object& tokens, const py::object& top, bool longest_suffix,
              const StopHandle* stop) {
    const auto index = self.get();
    const Tokens context = to_vector<std::uint32_t>("tokens", tokens);
    const Offsets offsets{0, context.size()};
    const Options options = to_options(py::int_(1), stop);
    const auto found = ntds(*index, context, offsets, to_number("top", top), longest_suffix, options);
    return py::make_tuple(to_array(found.tokens), to_array(found.counts), found.context_counts[0],
                          found.suffix_lengths[0], found.sparse[0] != 0);
}

stillhouse::Cnf to_cnf(const py::object& values, const py::object& offsets, const py::object& clauses,
                       const py::object& anchor) {
    stillhouse::Cnf cnf{to_vector<std::uint32_t>("cnf", values), to_vector<std::uint64_t>("offsets", offsets),
                        to_vector<std::uint64_t>("clauses", clauses)};
    if (!anchor.is_none()) cnf.anchor = to_number("anchor", anchor);
    return cnf;
}

std::uint64_t count_cnf(const Handle& self, const py::object& values, const py::object& offsets,
                        const py::object& clauses, const py::object& max_diff_tokens, const StopHandle* stop,
                        const py::object& anchor) {
    const auto index = self.get();
    const stillhouse::Cnf cnf = to_cnf(values, offsets, clauses, anchor);
    const std::uint64_t distance = to_number("max_diff_tokens", max_diff_tokens);
    const Options options = to_options(py::int_(1), stop);
    return unlocked([&] { return index->count_cnf(cnf, distance, options.call); });
}

py::array_t<std::uint64_t> find_cnf(const Handle& self, const py::object& values, const py::object& offsets,
                                    const py::object& clauses, const py::object& max_diff_tokens,
                                    const StopHandle* stop, const py::object& anchor) {
    const auto index = self.get();
    const stillhouse::Cnf cnf = to_cnf(values, offsets, clauses, anchor);
    const std::uint64_t distance = to_number("max_diff_tokens", max_diff_tokens);
    const Options options = to_options(py::int_(1), stop);
    return to_array(unlocked([&] { return index->find_cnf(cnf, distance, options.call); }));
}

py::tuple attribute(const Handle& self, const py::object& tokens, const py::object& min_length,
                    const py::object& max_count, const py::object& delimiters, const py::object& word_starts,
                    const StopHandle* stop) {
    const auto index = self.get();
    const Tokens query = to_vector<std::uint32_t>("tokens", tokens);
    stillhouse::SpanOptions wanted;
    wanted.min_length = to_number("min_length", min_length);
    if (!max_count.is_none()) wanted.max_count = to_number("max_count", max_count);
    wanted.delimiters = to_vector<std::uint32_t>("delimiters", delimiters);
    wanted.whole_words = !word_starts.is_none();
    if (wanted.whole_words) wanted.word_starts = to_vector<std::uint32_t>("word_starts", word_starts);
    const Options options = to_options(py::int_(1), stop);
    const auto spans = unlocked([&] {
        std::sort(wanted.delimiters.begin(), wanted.delimiters.end());
        std::sort(wanted.word_starts.begin(), wanted.word_starts.end());
        return index->attribute(query, wanted, options.call);
    });
    std::vector<std::uint64_t> columns[4];
    for (const auto& span : spans) {
        columns[0].push_back(span.begin);
        columns[1].push_back(span.end);
        columns[2].push_back(span.lo);
        columns[3].push_back(span.hi);
    }
    return py::make_tuple(to_array(columns[0]), to_array(columns[1]), to_array(columns[2]), to_array(columns[3]));
}

py::tuple search_docs(const Handle& self, const py::object& tokens, const py::object& limit, const py::object& seed,
                      const StopHandle* stop) {
    const auto index = self.get();
    const Tokens query = to_vector<std::uint32_t>("tokens", tokens);
    const std::uint64_t most = to_number("limit", limit);
    const std::uint64_t start = to_number("seed", seed);
    const Options options = to_options(py::int_(1), stop);
    std::vector<std::uint64_t> documents;
    std::vector<std::uint64_t> offsets;
    for (const auto& place : unlocked([&] { return index->search_docs(query, most, start, options.call); })) {
        documents.push_back(place.document);
        offsets.push_back(place.offset);
    }
    return py::make_tuple(to_array(documents), to_array(offsets));
}

std::pair<std::uint64_t, std::uint64_t> doc_of_position(const Handle& self, const py::object& position) {
    const auto index = self.get();
    const auto at = to_number("position", position);
    const py::gil_scoped_release release;
    const stillhouse::Place place = index->place_of_position(at);
    return {place.document, place.offset};
}

std::pair<std::uint64_t, std::uint64_t> place_of_rank(const Handle& self, const py::object& rank) {
    const auto index = self.get();
    const auto at = to_number("rank", rank);
    const py::gil_scoped_release release;
    const stillhouse::Place place = index->place_of_rank(at);
    return {place.document, place.offset};
}

py::array_t<std::uint64_t> positions(const Handle& self, const py::object& lo, const py::object& hi,
                                     const StopHandle* stop) {
    const auto index = self.get();
    const Options options = to_options(py::int_(1), stop);
    const stillhouse::Range ranks{to_number("lo", lo), to_number("hi", hi)};
    // Before making room for the result, which a wrong range could make huge.
    if (ranks.lo > ranks.hi || ranks.hi > index->tokens()) index->positions(ranks, {});
    auto result = new_array<std::uint64_t>(ranks.count());
    const auto out = writable(result);
    {
        const py::gil_scoped_release release;
        index->positions(ranks, out, options.call);
    }
    return result;
}

py::array document(const Handle& self, const py::object& number) {
    const auto index = self.get();
    const auto which = to_number("document", number);
    const std::uint64_t length = index->document_length(which);
    auto tokens = new_array<std::uint32_t>(length);
    const auto out = writable(tokens);
    {
        const py::gil_scoped_release release;
        index->read_document(which, out);
    }
    return std::move(tokens);
}

void verify(const Handle& self) {
    const auto index = self.get();
    const py::gil_scoped_release release;
    index->verify();
}

// Raises stillhouse_native.errors.NAME; messages carry paths in any encoding.
void set_error(const char* name, const std::exception& error) {
    const auto message = py::reinterpret_steal<py::object>(PyUnicode_DecodeFSDefault(error.what()));
    const py::object type = py::module_::import("stillhouse_native.errors").attr(name);
    PyErr_SetObject(type.ptr(), message.ptr());
}

void translate(std::exception_ptr error) {
    if (!error) return;
    try {
        std::rethrow_exception(error);
    } catch (const stillhouse::BuildError& e) {
        set_error("BuildError", e);
    } catch (const stillhouse::FormatError& e) {
        set_error("FormatError", e);
    } catch (const stillhouse::Stopped& e) {
        set_error("Stopped", e);
    } catch (const stillhouse::Error& e) {
        set_error("EngineError", e);
    }
}

}  // namespace

PYBIND11_MODULE(_core, module) {
    using stillhouse::Index;
    module.attr("__version__") = stillhouse::engine_version;
    py::register_exception_translator(translate);
    module.def("build", &build);
    module.attr("END") = stillhouse::end_of_document;
    module.def("available_threads", &stillhouse::available_threads);
    py::class_<StopHandle>(module, "Stop")
        .def(py::init<std::optional<double>>(), py::arg("timeout") = py::none())
        .def("cancel", &StopHandle::cancel)
        .def_property_readonly("stopped", &StopHandle::stopped);
    py::class_<Handle>(module, "Index")
        .def(py::init<const std::string&, bool, const std::string&>())
        .def("close", &Handle::close)
        .def_property_readonly("closed", &Handle::closed)
        .def_property_readonly("tokens", &property<&Index::tokens>)
        .def_property_readonly("documents", &property<&Index::documents>)
        .def_property_readonly("distinct_tokens", &property<&Index::distinct_tokens>)
        .def_property_readonly("token_bytes", &property<&Index::token_bytes>)
        .def_property_readonly("tokenizer_sha256", &property<&Index::tokenizer_sha256>)
        .def_property_readonly("metadata", &property<&Index::metadata>)
        .def_property_readonly("digest", &property<&Index::digest>)
        .def("find_batch", &find_batch)
        .def("prob", &prob)
        .def("prob_batch", &prob_batch)
        .def("ntd", &ntd)
        .def("ntd_batch", &ntd_batch)
        .def("score_batch", &score_batch)
        .def("count_cnf", &count_cnf)
        .def("find_cnf", &find_cnf)
        .def("attribute", &attribute)
        .def("search_docs", &search_docs)
        .def("count", &count)
        .def("find", &find)
        .def("count_batch", &count_batch)
        .def("match_lengths", &match_lengths)
        .def("match_lengths_batch", &match_lengths_batch)
        .def("doc_of_position", &doc_of_position)
        .def("place_of_rank", &place_of_rank)
        .def("positions", &positions)
        .def("document", &document)
        .def("verify", &verify);
}
