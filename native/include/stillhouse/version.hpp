// The engine's version; the Python distribution carries the same number.
#pragma once

namespace stillhouse {

inline constexpr char engine_version[] = "0.1.0";

}  // namespace stillhouse
