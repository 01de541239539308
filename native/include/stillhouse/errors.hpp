// Every error the engine throws.
//
//   std::invalid_argument
//     ArgumentError   a caller's argument; the message names it and the remedy
//   std::runtime_error
//     Error
//       BuildError    an index could not be written
//       FormatError   files on disk are missing, foreign, newer or corrupt
//       Stopped       a call was cancelled or ran past its deadline
#pragma once

#include <stdexcept>

namespace stillhouse {

class ArgumentError : public std::invalid_argument {
  public:
    using std::invalid_argument::invalid_argument;
};

class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class BuildError : public Error {
  public:
    using Error::Error;
};

class FormatError : public Error {
  public:
    using Error::Error;
};

class Stopped : public Error {
  public:
    using Error::Error;
};

}  // namespace stillhouse
