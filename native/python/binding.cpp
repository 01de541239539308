// The extension module stillhouse_native._core: converts arguments and results,
// releases the GIL around all work, forwards errors. Defaults and documentation
// are in the Python files beside it.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "stillhouse/builder.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/index.hpp"
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

template <class To>
To from_item(const char* name, std::size_t i, PyObject* item) {
    if (PyBool_Check(item)) refuse_argument(name, "a list with bool");
    // Anything with __index__, so also numpy's integers.
    const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(item));
    if (!number) {
        PyErr_Clear();
        refuse_argument(name, std::string("a list with ") + Py_TYPE(item)->tp_name);
    }
    const unsigned long long value = PyLong_AsUnsignedLongLong(number.ptr());
    const bool overflow = value == static_cast<unsigned long long>(-1) && PyErr_Occurred();
    if (overflow) PyErr_Clear();
    if (overflow || !std::in_range<To>(value))
        refuse_element(name, i, std::string(py::str(number)), limit_text<To>());
    return static_cast<To>(value);
}

template <class To>
std::vector<To> to_vector(const char* name, const py::object& values) {
    if (py::isinstance<py::array>(values)) return from_array<To>(name, py::reinterpret_borrow<py::array>(values));
    PyObject* const object = values.ptr();
    const bool text = PyUnicode_Check(object) || PyBytes_Check(object) || PyByteArray_Check(object);
    if (text || !PySequence_Check(object)) refuse_argument(name, Py_TYPE(object)->tp_name);
    // A tuple can't shrink while __index__ of an item runs Python code.
    const py::tuple items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(object));
    if (!items) throw py::error_already_set();
    std::vector<To> out;
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
           const std::string& tokenizer_sha256, const stillhouse::Metadata& metadata) {
    const Offsets offsets = to_vector<std::uint64_t>("doc_offsets", doc_offsets);
    const stillhouse::BuildOptions options{tokenizer_sha256, metadata};
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
    Handle(const std::string& directory, bool preload) {
        const py::gil_scoped_release release;
        index_ = stillhouse::Index::open(directory, {preload});
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

std::uint64_t count(const Handle& self, const py::object& tokens) {
    const auto index = self.get();
    const Tokens query = to_vector<std::uint32_t>("tokens", tokens);
    const py::gil_scoped_release release;
    return index->count(query);
}

std::pair<std::uint64_t, std::uint64_t> find(const Handle& self, const py::object& tokens) {
    const auto index = self.get();
    const Tokens query = to_vector<std::uint32_t>("tokens", tokens);
    const py::gil_scoped_release release;
    const stillhouse::Range range = index->find(query);
    return {range.lo, range.hi};
}

py::array_t<std::uint64_t> count_batch(const Handle& self, const py::object& values, const py::object& offsets) {
    const auto index = self.get();
    const Tokens tokens = to_vector<std::uint32_t>("values", values);
    const Offsets bounds = to_vector<std::uint64_t>("offsets", offsets);
    auto counts = new_array<std::uint64_t>(bounds.empty() ? 0 : bounds.size() - 1);
    const std::span<std::uint64_t> out = writable(counts);
    {
        const py::gil_scoped_release release;
        index->count_batch(tokens, bounds, out);
    }
    return counts;
}

using Matches = std::pair<py::array_t<std::uint32_t>, py::array_t<std::uint64_t>>;

// Runs match(lengths, counts) without the GIL on new arrays of `size` entries.
template <class Match>
Matches collect_matches(std::size_t size, Match match) {
    Matches matches{new_array<std::uint32_t>(size), new_array<std::uint64_t>(size)};
    const auto lengths = writable(matches.first);
    const auto counts = writable(matches.second);
    {
        const py::gil_scoped_release release;
        match(lengths, counts);
    }
    return matches;
}

Matches match_lengths(const Handle& self, const py::object& tokens) {
    const auto index = self.get();
    const Tokens query = to_vector<std::uint32_t>("tokens", tokens);
    return collect_matches(query.size(),
                           [&](auto lengths, auto counts) { index->match_lengths(query, lengths, counts); });
}

Matches match_lengths_batch(const Handle& self, const py::object& values, const py::object& offsets) {
    const auto index = self.get();
    const Tokens tokens = to_vector<std::uint32_t>("values", values);
    const Offsets bounds = to_vector<std::uint64_t>("offsets", offsets);
    return collect_matches(tokens.size(), [&](auto lengths, auto counts) {
        index->match_lengths_batch(tokens, bounds, lengths, counts);
    });
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

py::array_t<std::uint64_t> positions(const Handle& self, const py::object& lo, const py::object& hi) {
    const auto index = self.get();
    const stillhouse::Range ranks{to_number("lo", lo), to_number("hi", hi)};
    // Before making room for the result, which a wrong range could make huge.
    if (ranks.lo > ranks.hi || ranks.hi > index->tokens()) index->positions(ranks, {});
    auto result = new_array<std::uint64_t>(ranks.count());
    const auto out = writable(result);
    {
        const py::gil_scoped_release release;
        index->positions(ranks, out);
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
    py::class_<Handle>(module, "Index")
        .def(py::init<const std::string&, bool>())
        .def("close", &Handle::close)
        .def_property_readonly("closed", &Handle::closed)
        .def_property_readonly("tokens", &property<&Index::tokens>)
        .def_property_readonly("documents", &property<&Index::documents>)
        .def_property_readonly("distinct_tokens", &property<&Index::distinct_tokens>)
        .def_property_readonly("token_bytes", &property<&Index::token_bytes>)
        .def_property_readonly("tokenizer_sha256", &property<&Index::tokenizer_sha256>)
        .def_property_readonly("metadata", &property<&Index::metadata>)
        .def_property_readonly("digest", &property<&Index::digest>)
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
