#include "stillhouse/pool.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace stillhouse {
namespace {

// One call of run_parallel. Helpers that come late find no piece and leave.
struct Job {
    explicit Job(std::size_t pieces_, const std::function<void(std::size_t)>& work_) : pieces(pieces_), work(&work_) {}

    void take_part() {
        for (std::size_t piece; (piece = next.fetch_add(1)) < pieces;) {
            try {
                (*work)(piece);
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (!error) error = std::current_exception();
                next.store(pieces);
            }
        }
    }

    const std::size_t pieces;
    const std::function<void(std::size_t)>* const work;  // outlives all entered helpers
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::condition_variable left;
    unsigned inside = 0;
    bool closed = false;
    std::exception_ptr error;
};

class Pool {
  public:
    explicit Pool(unsigned size) {
        for (unsigned i = 0; i < size; ++i) std::thread([this] { serve(); }).detach();
    }

    void offer(const std::shared_ptr<Job>& job, unsigned helpers) {
        {
            const std::lock_guard lock(mutex_);
            for (unsigned i = 0; i < helpers; ++i) waiting_.push_back(job);
        }
        wake_.notify_all();
    }

  private:
    void serve() {
        while (true) {
            std::shared_ptr<Job> job;
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return !waiting_.empty(); });
                job = std::move(waiting_.front());
                waiting_.pop_front();
            }
            {
                const std::lock_guard lock(job->mutex);
                if (job->closed) continue;
                ++job->inside;
            }
            job->take_part();
            const std::lock_guard lock(job->mutex);
            if (--job->inside == 0) job->left.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::shared_ptr<Job>> waiting_;
};

// Lives as long as the process; a forked child, which has none of the threads,
// gets a pool of its own.
Pool& pool() {
    static std::mutex mutex;
    static Pool* current = nullptr;
    static pid_t owner = 0;
    const std::lock_guard lock(mutex);
    if (!current || owner != ::getpid()) {
        current = new Pool(available_threads() - 1);
        owner = ::getpid();
    }
    return *current;
}

}  // namespace

unsigned available_threads() { return std::max(1u, std::thread::hardware_concurrency()); }

void run_parallel(std::size_t pieces, unsigned threads, const std::function<void(std::size_t)>& work) {
    threads = threads == 0 ? available_threads() : std::min(threads, available_threads());
    threads = static_cast<unsigned>(std::min<std::size_t>(threads, pieces));
    if (threads <= 1) {
        for (std::size_t piece = 0; piece < pieces; ++piece) work(piece);
        return;
    }
    const auto job = std::make_shared<Job>(pieces, work);
    pool().offer(job, threads - 1);
    job->take_part();
    std::unique_lock lock(job->mutex);
    job->closed = true;
    job->left.wait(lock, [&] { return job->inside == 0; });
    // Taken out: a helper that comes late must not be the one to free it.
    if (const std::exception_ptr error = std::exchange(job->error, nullptr)) std::rethrow_exception(error);
}

}  // namespace stillhouse
