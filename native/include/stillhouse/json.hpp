// Just enough JSON (RFC 8259) for the manifest: strict, small, no surprises.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace stillhouse {

class JsonError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// A parsed value. Whole numbers up to 2^64 - 1 are uint64, all others double.
struct Json {
    using Array = std::vector<Json>;
    using Object = std::vector<std::pair<std::string, Json>>;
    std::variant<std::nullptr_t, bool, std::uint64_t, double, std::string, Array, Object> value;

    // Throws JsonError on anything but one valid UTF-8 document without duplicate
    // keys and nested at most 32 deep.
    static Json parse(std::string_view text);

    // The member of an object; each throws JsonError naming the key if it is
    // missing or of another type.
    const Json& at(std::string_view key) const;
    std::uint64_t number(std::string_view key) const;
    const std::string& string(std::string_view key) const;
    const Array& array(std::string_view key) const;
    const Object& object(std::string_view key) const;
};

// `text` (valid UTF-8) as a JSON string with its quotes.
std::string json_quoted(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace stillhouse
