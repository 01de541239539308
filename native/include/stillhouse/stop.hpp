// Ends long calls early: by hand from another thread, or at a deadline.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>

#include "stillhouse/errors.hpp"

namespace stillhouse {

class Stop {
  public:
    using Clock = std::chrono::steady_clock;

    Stop() = default;
    explicit Stop(Clock::duration timeout) : deadline_(Clock::now() + timeout) {}

    // From any thread, also while calls run. There is no way back.
    void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

    bool stopped() const {
        return cancelled_.load(std::memory_order_relaxed) || (deadline_ && Clock::now() >= *deadline_);
    }

    // Throws Stopped once cancelled or past the deadline.
    void check() const {
        if (cancelled_.load(std::memory_order_relaxed)) throw Stopped("the call was cancelled");
        if (deadline_ && Clock::now() >= *deadline_) throw Stopped("the call ran past its deadline");
    }

  private:
    std::atomic<bool> cancelled_{false};
    std::optional<Clock::time_point> deadline_;
};

// Checks a Stop, or nothing at all, once in `interval` steps.
class Pacer {
  public:
    explicit Pacer(const Stop* stop, unsigned interval) : stop_(stop), interval_(interval) {
        if (stop_) stop_->check();
    }

    void step() {
        if (stop_ && ++steps_ >= interval_) {
            steps_ = 0;
            stop_->check();
        }
    }

  private:
    const Stop* stop_;
    unsigned interval_;
    unsigned steps_ = 0;
};

}  // namespace stillhouse
