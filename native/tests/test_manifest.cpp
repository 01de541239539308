// The manifest: written, read back, and refused after any change.
#include <string>

#include "check.hpp"
#include "stillhouse/errors.hpp"
#include "stillhouse/manifest.hpp"
#include "stillhouse/xxh64.hpp"

using namespace stillhouse;

namespace {

Manifest sample() {
    Manifest manifest;
    manifest.engine_version = "9.9";
    manifest.tokens = 10;
    manifest.documents = 2;
    manifest.distinct_tokens = 4;
    manifest.metadata = {{"key", "a \"value\"\n"}, {"xxh64", ",\n  \"xxh64\": \"0\""}};
    SegmentEntry segment;
    segment.content_id = 0xFEEDFACECAFEBEEF;
    segment.tokens = 10;
    segment.documents = 2;
    segment.distinct_tokens = 4;
    for (const Role role : roles)
        segment.file(role) = {std::string("segment-0.") + role_name(role),
                              sizeof(FileHeader) + segment.elements(role) * segment.element_bytes(role), 77};
    manifest.segments.push_back(segment);
    return manifest;
}

std::string refusal(const Manifest& manifest) {
    return check::thrown<FormatError>([&] { Manifest::from_json(manifest.to_json(), "m"); });
}

}  // namespace

TEST(manifest_round_trip) {
    const std::string json = sample().to_json();
    const Manifest read = Manifest::from_json(json, "m");
    CHECK(read.to_json() == json);
    CHECK(read.metadata == sample().metadata);
    CHECK(read.segments[0].content_id == 0xFEEDFACECAFEBEEF);
    CHECK(read.segments[0].file(Role::text).name == "segment-0.text");
}

TEST(manifest_may_list_several_segments) {
    Manifest manifest = sample();
    manifest.segments.push_back(manifest.segments[0]);
    manifest.tokens = 20;
    manifest.documents = 4;
    CHECK(Manifest::from_json(manifest.to_json(), "m").segments.size() == 2);
}

TEST(manifest_refuses_every_changed_byte) {
    const std::string json = sample().to_json();
    // The line break behind the last brace carries nothing.
    for (std::size_t i = 0; i + 1 < json.size(); ++i) {
        for (const char c : {'x', '0', ' '}) {
            std::string changed = json;
            if (changed[i] == c) continue;
            changed[i] = c;
            const bool blank = (json[i] == ' ' || json[i] == '\n') && (c == ' ');
            const auto message = check::thrown<FormatError>([&] { Manifest::from_json(changed, "m"); });
            CHECK(blank || check::contains(message, "m: "));
        }
    }
}

TEST(manifest_refuses_inconsistent_counts) {
    const auto with = [](auto change) {
        Manifest manifest = sample();
        change(manifest);
        return refusal(manifest);
    };
    CHECK(check::contains(with([](Manifest& m) { m.tokens = 11; }), "sum over the segments"));
    CHECK(check::contains(with([](Manifest& m) { m.distinct_tokens = 5; }), "distinct_tokens"));
    CHECK(check::contains(with([](Manifest& m) { m.token_bytes = 3; }), "token_bytes"));
    CHECK(check::contains(with([](Manifest& m) { m.segments[0].symbol_bytes = 4; }), "symbol_bytes"));
    CHECK(check::contains(with([](Manifest& m) { m.segments[0].distinct_tokens = 11; }), "inconsistent"));
    CHECK(check::contains(with([](Manifest& m) { m.segments[0].documents = 0; }), "inconsistent"));
    CHECK(check::contains(with([](Manifest& m) { m.segments[0].tokens = 1ull << 63; }), "limit"));
    CHECK(check::contains(with([](Manifest& m) { m.segments[0].file(Role::text).bytes = 1; }), "segment-0.text"));
    for (const char* name : {"", "../x", "a/b", ".x", "/etc/passwd"})
        CHECK(!with([&](Manifest& m) { m.segments[0].file(Role::text).name = name; }).empty());
}
