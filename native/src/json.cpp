#include "stillhouse/json.hpp"

#include <charconv>
#include <cstddef>

namespace stillhouse {
namespace {

constexpr int deepest = 32;

void append_utf8(std::string& out, std::uint32_t code) {
    const auto tail = [&](int shift) { out.push_back(static_cast<char>(0x80 | ((code >> shift) & 0x3F))); };
    if (code < 0x80) {
        out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
        out.push_back(static_cast<char>(0xC0 | (code >> 6)));
        tail(0);
    } else if (code < 0x10000) {
        out.push_back(static_cast<char>(0xE0 | (code >> 12)));
        tail(6);
        tail(0);
    } else {
        out.push_back(static_cast<char>(0xF0 | (code >> 18)));
        tail(12);
        tail(6);
        tail(0);
    }
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Json document() {
        Json result = parse_value(0);
        skip_space();
        if (at_ != text_.size()) fail("text after the end");
        return result;
    }

  private:
    [[noreturn]] void fail(const std::string& what) const {
        throw JsonError(what + " at byte " + std::to_string(at_));
    }

    bool ended() const { return at_ == text_.size(); }
    char peek() const { return ended() ? '\0' : text_[at_]; }

    void skip_space() {
        while (!ended() && (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r')) ++at_;
    }

    bool take(char c) {
        skip_space();
        if (ended() || peek() != c) return false;
        ++at_;
        return true;
    }

    void expect(char c) {
        if (!take(c)) fail(std::string("expected '") + c + "'");
    }

    bool take_word(std::string_view word) {
        if (text_.substr(at_, word.size()) != word) return false;
        at_ += word.size();
        return true;
    }

    Json parse_value(int depth) {
        if (depth > deepest) fail("nested too deeply");
        skip_space();
        switch (peek()) {
            case '{': return {parse_object(depth)};
            case '[': return {parse_array(depth)};
            case '"': return {parse_string()};
            default: break;
        }
        if (take_word("true")) return {true};
        if (take_word("false")) return {false};
        if (take_word("null")) return {nullptr};
        return parse_number();
    }

    Json::Object parse_object(int depth) {
        Json::Object members;
        expect('{');
        if (take('}')) return members;
        do {
            skip_space();
            std::string key = parse_string();
            for (const auto& [other, ignored] : members) {
                if (other == key) fail("duplicate key \"" + key + "\"");
            }
            expect(':');
            members.emplace_back(std::move(key), parse_value(depth + 1));
        } while (take(','));
        expect('}');
        return members;
    }

    Json::Array parse_array(int depth) {
        Json::Array items;
        expect('[');
        if (take(']')) return items;
        do items.push_back(parse_value(depth + 1));
        while (take(','));
        expect(']');
        return items;
    }

    std::size_t take_digits() {
        const std::size_t start = at_;
        while (peek() >= '0' && peek() <= '9') ++at_;
        if (at_ == start) fail("expected a value");
        return at_ - start;
    }

    Json parse_number() {
        const std::size_t start = at_;
        const bool negative = take_word("-");
        const bool leading_zero = peek() == '0';
        if (take_digits() > 1 && leading_zero) fail("number with a leading zero");
        bool whole = !negative;
        if (take_word(".")) {
            take_digits();
            whole = false;
        }
        if (peek() == 'e' || peek() == 'E') {
            ++at_;
            if (peek() == '+' || peek() == '-') ++at_;
            take_digits();
            whole = false;
        }
        const char* first = text_.data() + start;
        const char* last = text_.data() + at_;
        if (std::uint64_t number = 0;
            whole && std::from_chars(first, last, number).ec == std::errc())
            return {number};
        double number = 0;
        if (std::from_chars(first, last, number).ec != std::errc()) fail("number out of range");
        return {number};
    }

    std::uint32_t parse_hex4() {
        std::uint32_t code = 0;
        if (text_.size() - at_ < 4) fail("unfinished escape");
        const char* first = text_.data() + at_;
        const auto [end, error] = std::from_chars(first, first + 4, code, 16);
        if (error != std::errc() || end != first + 4) fail("bad \\u escape");
        at_ += 4;
        return code;
    }

    std::uint32_t parse_unicode_escape() {
        const std::uint32_t code = parse_hex4();
        if (code < 0xD800 || code > 0xDFFF) return code;
        if (code > 0xDBFF || !take_word("\\u")) fail("lone surrogate");
        const std::uint32_t low = parse_hex4();
        if (low < 0xDC00 || low > 0xDFFF) fail("lone surrogate");
        return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }

    void parse_escape(std::string& out) {
        if (ended()) fail("unfinished escape");
        const char c = text_[at_++];
        switch (c) {
            case '"':
            case '\\':
            case '/': out.push_back(c); return;
            case 'b': out.push_back('\b'); return;
            case 'f': out.push_back('\f'); return;
            case 'n': out.push_back('\n'); return;
            case 'r': out.push_back('\r'); return;
            case 't': out.push_back('\t'); return;
            case 'u': append_utf8(out, parse_unicode_escape()); return;
            default: fail("unknown escape");
        }
    }

    std::string parse_string() {
        if (peek() != '"') fail("expected a string");
        ++at_;
        std::string out;
        while (true) {
            if (ended()) fail("unfinished string");
            const char c = text_[at_++];
            if (c == '"') return out;
            if (static_cast<unsigned char>(c) < 0x20) fail("control character in a string");
            if (c == '\\')
                parse_escape(out);
            else
                out.push_back(c);
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

template <class T>
const T& typed(const Json& object, std::string_view key, const char* type) {
    const T* value = std::get_if<T>(&object.at(key).value);
    if (!value) throw JsonError("\"" + std::string(key) + "\" is not " + type);
    return *value;
}

}  // namespace

Json Json::parse(std::string_view text) {
    if (!is_utf8(text)) throw JsonError("not valid UTF-8");
    return Parser(text).document();
}

const Json& Json::at(std::string_view key) const {
    const Object* members = std::get_if<Object>(&value);
    if (!members) throw JsonError("expected an object with \"" + std::string(key) + "\"");
    for (const auto& [name, member] : *members) {
        if (name == key) return member;
    }
    throw JsonError("\"" + std::string(key) + "\" is missing");
}

std::uint64_t Json::number(std::string_view key) const {
    return typed<std::uint64_t>(*this, key, "a whole number");
}

const std::string& Json::string(std::string_view key) const {
    return typed<std::string>(*this, key, "a string");
}

const Json::Array& Json::array(std::string_view key) const {
    return typed<Array>(*this, key, "an array");
}

const Json::Object& Json::object(std::string_view key) const {
    return typed<Object>(*this, key, "an object");
}

std::string json_quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (byte < 0x20) {
            out += "\\u00";
            out.push_back("01"[byte >> 4]);
            out.push_back("0123456789abcdef"[byte & 15]);
        } else {
            out.push_back(c);
        }
    }
    out.push_back('"');
    return out;
}

bool is_utf8(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    for (std::size_t i = 0; i < text.size();) {
        const unsigned char lead = byte(i);
        const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
        if (length == 0 || text.size() - i < length) return false;
        std::uint32_t code = length == 1 ? lead : lead & (0x7Fu >> length);
        for (std::size_t k = 1; k < length; ++k) {
            if (byte(i + k) >> 6 != 2) return false;
            code = code << 6 | (byte(i + k) & 0x3Fu);
        }
        constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        if (code < smallest[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
        i += length;
    }
    return true;
}

}  // namespace stillhouse
