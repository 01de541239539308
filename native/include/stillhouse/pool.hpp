// One fixed pool of threads for the whole process: started on first use, one
// thread fewer than the machine has processors, since callers work along.
#pragma once

#include <cstddef>
#include <functional>

namespace stillhouse {

// Runs work(0) .. work(pieces - 1), on the caller and at most `threads` - 1 threads
// of the pool; 0 means as many as there are. Returns when all are done. The first
// exception stops the handing out of pieces and is rethrown. May be called from
// any number of threads, and from a child process after a fork.
void run_parallel(std::size_t pieces, unsigned threads, const std::function<void(std::size_t)>& work);

// Threads that can work at once: the pool and the caller.
unsigned available_threads();

}  // namespace stillhouse
