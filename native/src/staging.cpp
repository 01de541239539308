#include "staging.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "stillhouse/array_writer.hpp"
#include "stillhouse/errors.hpp"

namespace stillhouse {
namespace {

// An absolute path with a last component, whatever dots and slashes it came with.
std::filesystem::path normal(const std::filesystem::path& target) {
    if (target.empty()) throw ArgumentError("out_dir is empty; name a directory to create");
    std::filesystem::path path = std::filesystem::absolute(target).lexically_normal();
    return path.has_filename() ? path : path.parent_path();
}

void check_free(const std::filesystem::path& target) {
    std::error_code error;
    const auto status = std::filesystem::symlink_status(target, error);
    if (status.type() == std::filesystem::file_type::not_found) return;
    const bool empty_directory =
        std::filesystem::is_directory(status) && std::filesystem::is_empty(target, error) && !error;
    if (!empty_directory)
        throw BuildError(target.string() + ": exists already and is not an empty directory; remove it or build elsewhere");
}

// A number behind the process id keeps a crashed build by a reused id, as in
// containers, from being in the way.
std::filesystem::path create_beside(const std::filesystem::path& target) {
    for (int n = 0;; ++n) {
        std::filesystem::path path = target;
        path += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(n);
        if (::mkdir(path.c_str(), 0777) == 0) return path;
        if (errno != EEXIST || n == 10000)
            throw BuildError(path.string() + ": could not create: " + std::strerror(errno));
    }
}

}  // namespace

Staging::Staging(const std::filesystem::path& target) : target_(normal(target)) {
    std::error_code error;
    if (!std::filesystem::is_directory(target_.parent_path(), error))
        throw BuildError(target_.parent_path().string() + ": is not a directory; create it first");
    check_free(target_);
    path_ = create_beside(target_);
}

Staging::~Staging() {
    std::error_code ignored;
    if (!committed_) std::filesystem::remove_all(path_, ignored);
}

void Staging::commit() {
    sync_directory(path_);
    // Replaces an empty directory, refuses one that was filled meanwhile.
    if (::rename(path_.c_str(), target_.c_str()) != 0)
        throw BuildError(target_.string() + ": could not rename the finished index: " + std::strerror(errno));
    committed_ = true;
    sync_directory(target_.parent_path());
}

}  // namespace stillhouse
