#include "stillhouse/manifest.hpp"

#include <algorithm>

#include "stillhouse/errors.hpp"
#include "stillhouse/json.hpp"
#include "stillhouse/suffix_sorting.hpp"
#include "stillhouse/xxh64.hpp"

namespace stillhouse {
namespace {

constexpr std::string_view checksum_member = ",\n  \"xxh64\": \"";

std::string member(std::string_view key, std::string_view json_value) {
    return json_quoted(key) + ": " + std::string(json_value);
}

std::string member(std::string_view key, std::uint64_t number) {
    return member(key, std::to_string(number));
}

std::string text_member(std::string_view key, std::string_view text) {
    return member(key, json_quoted(text));
}

std::string file_json(Role role, const FileEntry& file) {
    return "        {" + text_member("role", role_name(role)) + ", " + text_member("name", file.name) + ", " +
           member("bytes", file.bytes) + ", " + text_member("xxh64", hex64(file.xxh64)) + "}";
}

std::string segment_json(const SegmentEntry& segment) {
    std::string out = "    {\n      " + text_member("content_id", hex64(segment.content_id)) + ",\n      " +
                      member("symbol_bytes", segment.symbol_bytes) + ",\n      " +
                      member("tokens", segment.tokens) + ",\n      " + member("documents", segment.documents) +
                      ",\n      " + member("distinct_tokens", segment.distinct_tokens) +
                      ",\n      \"files\": [\n";
    for (std::size_t i = 0; i < roles.size(); ++i) {
        if (i > 0) out += ",\n";
        out += file_json(roles[i], segment.files[i]);
    }
    return out + "\n      ]\n    }";
}

std::uint64_t hex_member(const Json& object, std::string_view key) {
    const std::string& text = object.string(key);
    const bool valid = text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!valid) throw JsonError("\"" + std::string(key) + "\" is not 16 hexadecimal digits");
    return std::stoull(text, nullptr, 16);
}

// Files are opened by name, so a name must not lead anywhere else.
bool is_plain_name(const std::string& name) {
    return !name.empty() && name[0] != '.' &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               std::string::npos;
}

void read_file(const Json& json, SegmentEntry& segment) {
    const std::string& name = json.string("role");
    const auto* role = std::find_if(roles.begin(), roles.end(), [&](Role r) { return name == role_name(r); });
    if (role == roles.end()) throw JsonError("unknown file role \"" + name + "\"");
    FileEntry& file = segment.file(*role);
    if (!file.name.empty()) throw JsonError("two files with role \"" + name + "\"");
    file = {json.string("name"), json.number("bytes"), hex_member(json, "xxh64")};
    if (!is_plain_name(file.name)) throw JsonError("unusable file name " + json_quoted(file.name));
}

void check_counts(const SegmentEntry& segment) {
    // Each bound keeps the sums that follow from it free of overflow.
    if (segment.tokens > max_sortable_length || segment.documents > max_sortable_length ||
        segment.tokens + segment.documents > max_sortable_length)
        throw JsonError("segment counts are beyond the limit of 2147483646 positions");
    if (segment.distinct_tokens > segment.tokens || (segment.tokens > 0 && segment.distinct_tokens == 0) ||
        (segment.tokens > 0 && segment.documents == 0))
        throw JsonError("inconsistent counts of tokens, documents and distinct tokens");
    if (segment.symbol_bytes != (segment.distinct_tokens < 65536 ? 2u : 4u))
        throw JsonError("symbol_bytes does not fit distinct_tokens");
    for (const Role role : roles) {
        const FileEntry& file = segment.file(role);
        if (file.name.empty()) throw JsonError(std::string("no file with role \"") + role_name(role) + "\"");
        if (file.bytes != sizeof(FileHeader) + segment.elements(role) * segment.element_bytes(role))
            throw JsonError("size of " + file.name + " does not fit the counts");
    }
}

SegmentEntry read_segment(const Json& json) {
    SegmentEntry segment;
    segment.content_id = hex_member(json, "content_id");
    segment.symbol_bytes = json.number("symbol_bytes") == 2 ? 2 : 4;
    segment.tokens = json.number("tokens");
    segment.documents = json.number("documents");
    segment.distinct_tokens = json.number("distinct_tokens");
    for (const Json& file : json.array("files")) read_file(file, segment);
    check_counts(segment);
    return segment;
}

void check_version(const Json& json) {
    if (json.string("format") != format_name) throw JsonError("not a manifest of a Stillhouse index");
    const std::uint64_t version = json.number("format_version");
    if (version > format_version)
        throw JsonError("format version " + std::to_string(version) + " is newer than " +
                        std::to_string(format_version) + ", the newest this engine reads; upgrade stillhouse-native");
    if (version < format_version) throw JsonError("unknown format version " + std::to_string(version));
    if (json.string("byte_order") != "little") throw JsonError("byte order is not little-endian");
}

void check_checksum(std::string_view text, const Json& json) {
    const std::size_t end = text.rfind(checksum_member);
    if (end == std::string_view::npos || hex_member(json, "xxh64") != xxh64(text.data(), end))
        throw JsonError("checksum does not match; the file was changed after the build");
}

void check_totals(const Manifest& manifest) {
    std::uint64_t tokens = 0;
    std::uint64_t documents = 0;
    for (const SegmentEntry& segment : manifest.segments) {
        tokens += segment.tokens;
        documents += segment.documents;
    }
    if (tokens != manifest.tokens || documents != manifest.documents)
        throw JsonError("counts differ from the sum over the segments");
    if (manifest.segments.size() == 1 && manifest.distinct_tokens != manifest.segments[0].distinct_tokens)
        throw JsonError("distinct_tokens differs from that of the only segment");
    if (manifest.token_bytes != 2 && manifest.token_bytes != 4) throw JsonError("token_bytes is neither 2 nor 4");
}

Manifest read_manifest(std::string_view text) {
    const Json json = Json::parse(text);
    check_version(json);
    check_checksum(text, json);
    Manifest manifest;
    manifest.engine_version = json.string("engine_version");
    manifest.token_bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(json.number("token_bytes"), 255));
    manifest.tokens = json.number("tokens");
    manifest.documents = json.number("documents");
    manifest.distinct_tokens = json.number("distinct_tokens");
    manifest.tokenizer_sha256 = json.string("tokenizer_sha256");
    for (const auto& [key, ignored] : json.object("metadata"))
        manifest.metadata.emplace_back(key, json.at("metadata").string(key));
    for (const Json& segment : json.array("segments")) manifest.segments.push_back(read_segment(segment));
    check_totals(manifest);
    return manifest;
}

}  // namespace

std::uint64_t SegmentEntry::elements(Role role) const {
    switch (role) {
        case Role::alphabet: return distinct_tokens;
        case Role::documents: return documents + 1;
        case Role::text: return tokens + documents;
        case Role::suffixes: return tokens;
        case Role::buckets: return distinct_tokens + 2;
    }
    return 0;
}

std::uint32_t SegmentEntry::element_bytes(Role role) const {
    if (role == Role::documents) return 8;
    return role == Role::text ? symbol_bytes : 4;
}

FileEntry& SegmentEntry::file(Role role) { return files[static_cast<std::size_t>(role) - 1]; }

const FileEntry& SegmentEntry::file(Role role) const { return files[static_cast<std::size_t>(role) - 1]; }

std::string Manifest::to_json() const {
    std::string out = "{\n  " + text_member("format", format_name) + ",\n  " +
                      member("format_version", format_version) + ",\n  " +
                      text_member("engine_version", engine_version) + ",\n  " +
                      text_member("byte_order", "little") + ",\n  " + member("token_bytes", token_bytes) +
                      ",\n  " + member("tokens", tokens) + ",\n  " + member("documents", documents) + ",\n  " +
                      member("distinct_tokens", distinct_tokens) + ",\n  " +
                      text_member("tokenizer_sha256", tokenizer_sha256) + ",\n  \"metadata\": {";
    const char* separator = "\n    ";
    for (const auto& [key, value] : metadata) {
        out += separator + text_member(key, value);
        separator = ",\n    ";
    }
    out += metadata.empty() ? "},\n  \"segments\": [" : "\n  },\n  \"segments\": [";
    separator = "\n";
    for (const SegmentEntry& segment : segments) {
        out += separator + segment_json(segment);
        separator = ",\n";
    }
    out += "\n  ]";
    const std::string checksum = hex64(xxh64(out.data(), out.size()));
    return out + std::string(checksum_member) + checksum + "\"\n}\n";
}

Manifest Manifest::from_json(std::string_view text, const std::string& path) {
    try {
        return read_manifest(text);
    } catch (const JsonError& error) {
        throw FormatError(path + ": " + error.what());
    }
}

}  // namespace stillhouse
