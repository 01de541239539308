// A directory that becomes the result under its final name, or disappears.
#pragma once

#include <filesystem>

namespace stillhouse {

class Staging {
  public:
    // Creates `target`.tmp-PID-N. Throws BuildError if the target exists and is
    // not an empty directory, or its parent is missing.
    explicit Staging(const std::filesystem::path& target);
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;

    // Removes the directory unless it was committed.
    ~Staging();

    const std::filesystem::path& path() const { return path_; }

    // Renames the directory to the target, durably. Throws BuildError.
    void commit();

  private:
    std::filesystem::path target_;
    std::filesystem::path path_;
    bool committed_ = false;
};

}  // namespace stillhouse
