// SHA-256 of short data: the digest that names an index by its manifest.
//
// Source: NIST FIPS 180-4.
#pragma once

#include <string>
#include <string_view>

namespace stillhouse {

// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view data);

}  // namespace stillhouse
