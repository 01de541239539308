// The JSON reader on what it must take and what it must refuse.
#include <string>

#include "check.hpp"
#include "stillhouse/json.hpp"

using stillhouse::is_utf8;
using stillhouse::Json;
using stillhouse::json_quoted;
using stillhouse::JsonError;

namespace {

bool refuses(const std::string& text) {
    return !check::thrown<JsonError>([&] { Json::parse(text); }).empty();
}

}  // namespace

TEST(json_values) {
    const Json json = Json::parse(" {\"n\": 18446744073709551615, \"s\": \"x\", \"a\": [true, null, -1.5e3], \"o\": {}} ");
    CHECK(json.number("n") == 18446744073709551615u);
    CHECK(json.string("s") == "x");
    CHECK(json.array("a").size() == 3);
    CHECK(std::get<double>(json.array("a")[2].value) == -1500);
    CHECK(json.object("o").empty());
    CHECK(check::contains(check::thrown<JsonError>([&] { json.number("s"); }), "\"s\" is not a whole number"));
    CHECK(check::contains(check::thrown<JsonError>([&] { json.at("z"); }), "\"z\" is missing"));
    CHECK(!check::thrown<JsonError>([&] { json.at("n").at("x"); }).empty());
}

TEST(json_strings_round_trip) {
    std::string text;
    for (int c = 0; c < 128; ++c) text.push_back(static_cast<char>(c));
    text += "\xC3\x9F\xE2\x82\xAC\xF0\x9F\xA5\x83";
    CHECK(std::get<std::string>(Json::parse(json_quoted(text)).value) == text);
    CHECK(std::get<std::string>(Json::parse("\"\\u00df\\ud83e\\udd43\\/\\b\\f\\n\\r\\t\"").value) ==
          "\xC3\x9F\xF0\x9F\xA5\x83/\b\f\n\r\t");
}

TEST(json_refuses) {
    for (const char* text :
         {"", " ", "{", "[", "[1,]", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "{a:1}", "\"",
          "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"",
          "01", "-", "1.", "1e", "1e999", "tru", "nul", "1 2", "[1 2]", "+1", ".5", "NaN"})
        CHECK(refuses(text));
    CHECK(refuses(std::string(40, '[') + std::string(40, ']')));
    CHECK(refuses("\"\xFF\""));
}

TEST(utf8) {
    for (const char* text : {"", "a", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
        CHECK(is_utf8(text));
    for (const char* text : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
                             "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC2\x41"})
        CHECK(!is_utf8(text));
}
