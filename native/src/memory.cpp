#include "stillhouse/memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "stillhouse/errors.hpp"

namespace stillhouse {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const char* reason) {
    throw FormatError(file.string() + ": " + reason);
}

// A file open for reading.
class Input {
  public:
    explicit Input(const std::filesystem::path& file) : fd_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
        if (fd_ < 0) fail(file, errno == ENOENT ? "missing" : std::strerror(errno));
        struct stat status {};
        const bool known = ::fstat(fd_, &status) == 0;
        if (!known || !S_ISREG(status.st_mode)) {
            const char* reason = known ? "not a regular file" : std::strerror(errno);
            ::close(fd_);
            fail(file, reason);
        }
        size_ = static_cast<std::size_t>(status.st_size);
    }
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;
    ~Input() { ::close(fd_); }

    int fd() const { return fd_; }
    std::size_t size() const { return size_; }

  private:
    int fd_;
    std::size_t size_ = 0;
};

}  // namespace

Region::Region(Region&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Region& Region::operator=(Region&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

Region::~Region() {
    if (data_) ::munmap(data_, size_);
}

Region Region::map(const std::filesystem::path& file) {
    const Input input(file);
    if (input.size() == 0) return {};
    void* data = ::mmap(nullptr, input.size(), PROT_READ, MAP_SHARED, input.fd(), 0);
    if (data == MAP_FAILED) fail(file, std::strerror(errno));
    return {static_cast<std::byte*>(data), input.size()};
}

Region Region::read(const std::filesystem::path& file) {
    const Input input(file);
    Region region = allocate(input.size());
    for (std::size_t done = 0; done < region.size();) {
        // One call reads at most 2 GiB.
        const ssize_t got = ::read(input.fd(), region.data_ + done, std::min<std::size_t>(region.size() - done, 1 << 30));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail(file, std::strerror(errno));
        if (got == 0) fail(file, "truncated while it was read");
        done += static_cast<std::size_t>(got);
    }
    return region;
}

Region Region::allocate(std::size_t bytes) {
    if (bytes == 0) return {};
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    // Only a hint: random access over small pages spends half its time in the TLB.
    ::madvise(data, bytes, MADV_HUGEPAGE);
    return {static_cast<std::byte*>(data), bytes};
}

}  // namespace stillhouse
