// XXH64 and SHA-256 against published values, and streaming against one call.
#include <string>

#include "check.hpp"
#include "stillhouse/sha256.hpp"
#include "stillhouse/xxh64.hpp"

using stillhouse::hex64;
using stillhouse::sha256_hex;
using stillhouse::Xxh64;
using stillhouse::xxh64;

TEST(xxh64_published_values) {
    const auto hash = [](const std::string& text) { return xxh64(text.data(), text.size()); };
    CHECK(hash("") == 0xEF46DB3751D8E999);
    CHECK(hash("a") == 0xD24EC4F1A98C6E5B);
    CHECK(hash("abc") == 0x44BC2CF5AD770999);
    CHECK(hash("Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1);
}

TEST(xxh64_streaming_equals_one_call) {
    std::string data;
    for (int i = 0; i < 300; ++i) data.push_back(static_cast<char>(i * 37));
    for (std::size_t n = 0; n <= data.size(); n += 3) {
        for (std::size_t cut = 0; cut <= n; ++cut) {
            Xxh64 hash(5);
            hash.update(data.data(), cut);
            hash.update(data.data() + cut, n - cut);
            CHECK(hash.digest() == xxh64(data.data(), n, 5));
        }
    }
}

TEST(hex64_pads) { CHECK(hex64(0xAB) == "00000000000000ab"); }

TEST(sha256_published_values) {
    CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(sha256_hex(std::string(1000000, 'a')) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
