#include "stillhouse/array_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "stillhouse/errors.hpp"

namespace stillhouse {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* action) {
    const std::string reason = std::strerror(errno);
    throw BuildError(path.string() + ": could not " + action + ": " + reason);
}

FileHeader header_of(const SegmentEntry& segment, Role role) {
    FileHeader header{};
    header.magic = file_magic;
    header.version = format_version;
    header.byte_order = byte_order_mark;
    header.role = static_cast<std::uint32_t>(role);
    header.element_bytes = segment.element_bytes(role);
    header.elements = segment.elements(role);
    header.content_id = segment.content_id;
    return header;
}

}  // namespace

OutputFile::OutputFile(std::filesystem::path path)
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail(path_, "create");
}

OutputFile::~OutputFile() { ::close(fd_); }

void OutputFile::write(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const std::byte*>(data);
    while (bytes > 0) {
        // One call writes at most 2 GiB.
        const ssize_t written = ::write(fd_, at, std::min<std::size_t>(bytes, 1 << 30));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail(path_, "write");
        at += written;
        bytes -= static_cast<std::size_t>(written);
    }
}

void OutputFile::sync() {
    if (::fsync(fd_) != 0) fail(path_, "sync");
}

ArrayWriter::ArrayWriter(const std::filesystem::path& directory, const SegmentEntry& segment, Role role,
                         std::string name)
    : file_(directory / name), entry_{std::move(name), 0, 0} {
    const FileHeader header = header_of(segment, role);
    append_bytes(&header, sizeof header);
}

void ArrayWriter::append_bytes(const void* data, std::size_t bytes) {
    // In pieces, so that a piece is still in the cache when it is written.
    constexpr std::size_t piece = 1 << 18;
    const auto* at = static_cast<const std::byte*>(data);
    for (std::size_t done = 0; done < bytes; done += piece) {
        const std::size_t part = std::min(piece, bytes - done);
        hash_.update(at + done, part);
        file_.write(at + done, part);
    }
    entry_.bytes += bytes;
}

FileEntry ArrayWriter::finish() {
    file_.sync();
    entry_.xxh64 = hash_.digest();
    return entry_;
}

void sync_directory(const std::filesystem::path& directory) {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) fail(directory, "open");
    const bool synced = ::fsync(fd) == 0;
    const int error = errno;
    ::close(fd);
    errno = error;
    // Some file systems cannot sync a directory; there is nothing more to do there.
    if (!synced && errno != EINVAL) fail(directory, "sync");
}

}  // namespace stillhouse
